"""TableOptions holds what `WITH (..)` sets: read once, checked, kept as values that act.

Grammar of the values: numbers, '10s' / '5m' / '2h' / '7d', flush policies 'rows:N,interval:S,bytes:N', and orders of
eviction 'ttl', 'fifo', 'priority(column)'. Which options a table takes is a matter of its kind: see `OPTIONS_OF`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from storage.catalog.names import checked_storage_name, folded, list_of_names, quoted_if_needed, quoted_names
from storage.errors import InvalidRequest
from storage.whole_numbers import whole_number

EVICTIONS: Final = ("ttl", "fifo", "priority(column)")
COMPRESSIONS: Final = ("lz4", "zstd", "snappy", "none")
ENCODINGS: Final = ("by_type", "dictionary")
ACCESS_LEVELS: Final = ("public", "private", "restricted")
KEEP_FOR_EVER: Final = -1
NUMBER_MAX: Final = 1 << 60  # seconds or bytes; records hold 64 bits
_DURATION = re.compile(r"([0-9]+)\s*([smhd]?)")
_UNIT_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PRIORITY = re.compile(r"priority\s*\(\s*(?:\"((?:[^\"]|\"\")+)\"|(\w+))\s*\)", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]+)\s*(|[kmg]i?b?)", re.IGNORECASE)
_SIZE_UNIT: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class FlushPolicy(msgspec.Struct, frozen=True):
    """Flush a partition when ANY of these is reached."""

    rows: int = 10_000
    interval_seconds: int = 300
    bytes: int = 64 << 20

    def __str__(self) -> str:
        return f"rows:{self.rows},interval:{self.interval_seconds},bytes:{self.bytes}"


class Eviction(msgspec.Struct, frozen=True):
    """Which events of a stream leave first; `column` is named by `priority` alone. See `stream_retention`."""

    order: str = "ttl"
    column: str = ""

    def __str__(self) -> str:
        if not self.column:
            return self.order
        return f"{self.order}({quoted_if_needed(self.column)})"


class TableOptions(msgspec.Struct, frozen=True):
    """Options of tables of all kinds; those that its kind does not take have no meaning for a table.

    deleted_retention_seconds: how long deleted versions stay readable; KEEP_FOR_EVER = 'off'
    sort_by:                   logical column names that order cold files; empty = primary key, else _seq
    encoding:                  of columns in cold files: chosen by type and values, or a dictionary for each
    access_level:              who may use the table without a grant, see flight_server/access/grants.py
    storage:                   where new cold files go, see `storages`
    use_user_storage:          whether a user's own storage comes first, if the user's storage_mode says so
    retention_seconds:         how long an event of a stream lives; 0 = the table is no stream
    max_buffer:                how many events a stream holds at most
    is_ephemeral:              an event of the stream that nobody listens to is not stored
    eviction:                  which events leave first
    eviction_interval_seconds: between two looks for expired events; 0 = follows the rate at which events come
    """

    flush_policy: FlushPolicy = FlushPolicy()
    deleted_retention_seconds: int = 7 * 86400
    sort_by: tuple[str, ...] = ()
    compression: str = "lz4"
    access_level: str = "private"
    storage: str = "local"
    use_user_storage: bool = False
    retention_seconds: int = 0
    max_buffer: int = 10_000
    is_ephemeral: bool = False
    eviction: Eviction = Eviction()
    eviction_interval_seconds: int = 0
    encoding: str = "by_type"

    @property
    def is_stream(self) -> bool:
        return self.retention_seconds > 0

    def shown(self) -> dict[str, str]:
        """Option name -> value as `WITH (..)` would take it back."""
        if self.is_stream:
            return self._shown_of_stream()
        kept = self.deleted_retention_seconds
        return {
            "flush_policy": str(self.flush_policy),
            "deleted_retention": "off" if kept == KEEP_FOR_EVER else f"{kept}s",
            "sort_by": list_of_names(self.sort_by),
            "compression": self.compression,
            "encoding": self.encoding,
            "access_level": self.access_level,
            "storage": self.storage,
            "use_user_storage": str(self.use_user_storage).lower(),
        }

    def _shown_of_stream(self) -> dict[str, str]:
        pace = self.eviction_interval_seconds
        return {
            "retention": f"{self.retention_seconds}s",
            "max_buffer": str(self.max_buffer),
            "ephemeral": "true" if self.is_ephemeral else "false",
            "eviction": str(self.eviction),
            "eviction_interval": f"{pace}s" if pace else "auto",
            "access_level": self.access_level,
        }


SHARED_OPTIONS: Final = (
    "access_level",
    "compression",
    "deleted_retention",
    "encoding",
    "flush_policy",
    "sort_by",
    "storage",
    "use_user_storage",
)
# Who may use a user table is no question: everybody, each with their own rows.
USER_OPTIONS: Final = tuple(name for name in SHARED_OPTIONS if name != "access_level")
STREAM_OPTIONS: Final = ("access_level", "ephemeral", "eviction", "eviction_interval", "max_buffer", "retention")
# By kind of table, as `schema.TableKind` names them.
OPTIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "shared": SHARED_OPTIONS,
    "user": USER_OPTIONS,
    "stream": STREAM_OPTIONS,
}
BOOLEANS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


def options_of_new(kind: str, eviction: str = "ttl") -> TableOptions:
    """What a table has whose statement says nothing. A stream is there for all to put events into."""
    return TableOptions(access_level="public", eviction=Eviction(eviction)) if kind == "stream" else TableOptions()


def with_options(
    base: TableOptions, given: Mapping[str, str], column_names: tuple[str, ...], kind: str = "shared"
) -> TableOptions:
    """`base` with the `given` texts read in. Raises InvalidRequest naming the option and what is allowed."""
    options = base
    for name, text in given.items():
        check_known(name.lower(), kind)
        options = _with_option(options, name.lower(), text.strip(), column_names)
    return options


def check_known(name: str, kind: str) -> None:
    """Raises InvalidRequest for an option that tables of this kind do not take."""
    allowed = OPTIONS_OF[kind]
    if name in allowed:
        return
    of_others = [other for other, names in OPTIONS_OF.items() if name in names]
    what = f"option '{name}' is for {' and '.join(of_others)} tables" if of_others else f"unknown table option '{name}'"
    raise InvalidRequest(f"{what}: a {kind} table takes {', '.join(allowed)}")


def _with_option(base: TableOptions, name: str, text: str, columns: tuple[str, ...]) -> TableOptions:
    if name == "flush_policy":
        return msgspec.structs.replace(base, flush_policy=parse_flush_policy(text))
    if name == "deleted_retention":
        kept = KEEP_FOR_EVER if text.lower() == "off" else parse_duration_seconds(name, text)
        return msgspec.structs.replace(base, deleted_retention_seconds=kept)
    if name == "sort_by":
        return msgspec.structs.replace(base, sort_by=_columns(text, columns))
    if name == "compression":
        return msgspec.structs.replace(base, compression=_one_of(name, text.lower(), COMPRESSIONS))
    if name == "encoding":
        return msgspec.structs.replace(base, encoding=_one_of(name, text.lower(), ENCODINGS))
    if name == "access_level":
        return msgspec.structs.replace(base, access_level=_one_of(name, text.lower(), ACCESS_LEVELS))
    if name == "storage":
        return msgspec.structs.replace(base, storage=checked_storage_name(text))
    if name == "use_user_storage":
        return msgspec.structs.replace(base, use_user_storage=_boolean(name, text))
    return _with_stream_option(base, name, text, columns)


def _boolean(name: str, text: str) -> bool:
    return BOOLEANS[_one_of(name, text.lower(), tuple(BOOLEANS))]


def _with_stream_option(base: TableOptions, name: str, text: str, columns: tuple[str, ...]) -> TableOptions:
    match name:
        case "retention":
            return msgspec.structs.replace(base, retention_seconds=_positive(name, parse_duration_seconds(name, text)))
        case "max_buffer":
            return msgspec.structs.replace(base, max_buffer=_positive(name, parse_size_bytes(name, text)))
        case "ephemeral":
            return msgspec.structs.replace(base, is_ephemeral=_boolean(name, text))
        case "eviction":
            return msgspec.structs.replace(base, eviction=_eviction(text, columns))
        case "eviction_interval":
            pace = 0 if text.lower() == "auto" else _positive(name, parse_duration_seconds(name, text))
            return msgspec.structs.replace(base, eviction_interval_seconds=pace)
    raise AssertionError(f"option '{name}' is listed and not read")


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise InvalidRequest(f"bad {name} '{number}': it must be 1 or more")
    return number


def _eviction(text: str, columns: tuple[str, ...]) -> Eviction:
    if text.lower() in ("ttl", "fifo"):
        return Eviction(text.lower())
    found = _PRIORITY.fullmatch(text)
    if found is None:
        raise InvalidRequest(f"bad eviction '{text}': use one of {', '.join(EVICTIONS)}")
    column = found[1].replace('""', '"') if found[1] else folded(found[2])
    if column not in columns:
        raise InvalidRequest(f"eviction names column '{column}', which the table does not have", sqlstate="42703")
    return Eviction("priority", column)


def parse_flush_policy(text: str) -> FlushPolicy:
    """'rows:N,interval:S,bytes:N' in any order, each at most once; what is left out keeps its default."""
    values: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, _, value = part.partition(":")
        key = key.strip().lower()
        if key in values or key not in ("rows", "interval", "bytes"):
            raise InvalidRequest(f"bad flush_policy '{text}': use 'rows:N,interval:SECONDS,bytes:N', each at most once")
        values[key] = _policy_value(key, value.strip())
    if not values or min(values.values()) <= 0:
        raise InvalidRequest(f"bad flush_policy '{text}': give at least one limit, each above 0")
    default = FlushPolicy()
    return FlushPolicy(
        values.get("rows", default.rows),
        values.get("interval", default.interval_seconds),
        values.get("bytes", default.bytes),
    )


def _policy_value(key: str, text: str) -> int:
    if key == "interval":
        return parse_duration_seconds("flush_policy interval", text)
    return parse_size_bytes(f"flush_policy {key}", text)


def parse_size_bytes(name: str, text: str) -> int:
    """'65536', '64MiB', '1g' -> a number."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"bad {name} '{text}': use a whole number, or one with k, M or G behind it")
    return _bounded(name, text, _number(match[1]) * _SIZE_UNIT[match[2][:1].lower()])


def parse_duration_seconds(name: str, text: str) -> int:
    """'90', '90s', '15m', '2h', '7d' -> seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"bad {name} '{text}': use seconds, or a number with s, m, h or d behind it")
    return _bounded(name, text, _number(match[1]) * _UNIT_SECONDS[match[2]])


def _number(digits: str) -> int:
    number = whole_number(digits)
    return NUMBER_MAX + 1 if number is None else number


def _bounded(name: str, text: str, number: int) -> int:
    if number > NUMBER_MAX:
        raise InvalidRequest(f"bad {name} '{text[:40]}': the number is too large")
    return number


def _columns(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = quoted_names(text) if text else ()
    if names is None:
        raise InvalidRequest(f"bad sort_by '{text}': list columns with commas between, in double quotes where needed")
    for name in names:
        if name not in known:
            raise InvalidRequest(f"sort_by names column '{name}', which the table does not have", sqlstate="42703")
    return names


def _one_of(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise InvalidRequest(f"bad {name} '{text}': use one of {', '.join(allowed)}")
    return text
