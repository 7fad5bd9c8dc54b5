"""Table options (`WITH (..)`): read once, checked, kept as values that act.

Grammar of the values: numbers, '10s' / '5m' / '2h' / '7d', and flush policies 'rows:N,interval:S,bytes:N'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from storage.errors import InvalidRequest
from storage.names import checked_name

COMPRESSIONS: Final = ("lz4", "zstd", "snappy", "none")
ACCESS_LEVELS: Final = ("public", "private", "restricted")
KEEP_FOR_EVER: Final = -1
NUMBER_MAX: Final = 1 << 60  # seconds or bytes; records hold 64 bits
_DURATION = re.compile(r"(\d+)\s*([smhd]?)")
_UNIT_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+)\s*(|[kmg]i?b?)", re.IGNORECASE)
_SIZE_UNIT: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class FlushPolicy(msgspec.Struct, frozen=True):
    """Flush a partition when ANY of these is reached."""

    rows: int = 10_000
    interval_seconds: int = 300
    bytes: int = 64 << 20

    def __str__(self) -> str:
        return f"rows:{self.rows},interval:{self.interval_seconds},bytes:{self.bytes}"


class TableOptions(msgspec.Struct, frozen=True):
    """Options of shared tables (user and stream tables will add theirs).

    deleted_retention_seconds: how long deleted versions stay readable; KEEP_FOR_EVER = 'off'
    sort_by:                   logical column names that order cold files; empty = primary key, else _seq
    access_level:              who may use the table without a grant, see flight_server/access/grants.py
    storage:                   where new cold files go, see `storages`
    use_user_storage:          whether a user's own storage comes first, if the user's storage_mode says so
    """

    flush_policy: FlushPolicy = FlushPolicy()
    deleted_retention_seconds: int = 7 * 86400
    sort_by: tuple[str, ...] = ()
    compression: str = "lz4"
    access_level: str = "private"
    storage: str = "local"
    use_user_storage: bool = False

    def shown(self) -> dict[str, str]:
        """Option name -> value as `WITH (..)` would take it back."""
        kept = self.deleted_retention_seconds
        return {
            "flush_policy": str(self.flush_policy),
            "deleted_retention": "off" if kept == KEEP_FOR_EVER else f"{kept}s",
            "sort_by": ", ".join(self.sort_by),
            "compression": self.compression,
            "access_level": self.access_level,
            "storage": self.storage,
            "use_user_storage": str(self.use_user_storage).lower(),
        }


SHARED_OPTIONS: Final = (
    "access_level",
    "compression",
    "deleted_retention",
    "flush_policy",
    "sort_by",
    "storage",
    "use_user_storage",
)
BOOLEANS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


def with_options(base: TableOptions, given: Mapping[str, str], column_names: tuple[str, ...]) -> TableOptions:
    """`base` with the `given` texts read in. Raises InvalidRequest naming the option and what is allowed."""
    options = base
    for name, text in given.items():
        options = _with_option(options, name.lower(), text.strip(), column_names)
    return options


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
    if name == "access_level":
        return msgspec.structs.replace(base, access_level=_one_of(name, text.lower(), ACCESS_LEVELS))
    if name == "storage":
        return msgspec.structs.replace(base, storage=checked_name("storage", text))
    if name == "use_user_storage":
        return msgspec.structs.replace(base, use_user_storage=BOOLEANS[_one_of(name, text.lower(), tuple(BOOLEANS))])
    raise InvalidRequest(f"unknown table option '{name}': a shared table takes {', '.join(SHARED_OPTIONS)}")


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
    return _bounded(name, text, int(match[1][:30]) * _SIZE_UNIT[match[2][:1].lower()])


def parse_duration_seconds(name: str, text: str) -> int:
    """'90', '90s', '15m', '2h', '7d' -> seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"bad {name} '{text}': use seconds, or a number with s, m, h or d behind it")
    return _bounded(name, text, int(match[1][:30]) * _UNIT_SECONDS[match[2]])


def _bounded(name: str, text: str, number: int) -> int:
    if number > NUMBER_MAX:
        raise InvalidRequest(f"bad {name} '{text[:40]}': the number is too large")
    return number


def _columns(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(filter(None, (part.strip().strip('"') for part in text.split(","))))
    for name in names:
        if name not in known:
            raise InvalidRequest(f"sort_by names column '{name}', which the table does not have", sqlstate="42703")
    return names


def _one_of(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise InvalidRequest(f"bad {name} '{text}': use one of {', '.join(allowed)}")
    return text
