"""Session options have one table of names, for SetSessionOptions and for `SET name = value` alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from flight_server.access.sessions.session import Session
from flight_server.wire.requests import OptionValue
from storage.catalog.names import CATALOG, DEFAULT_NAMESPACE
from storage.errors import InvalidRequest, NotFound

DURABILITIES: Final = ("full", "relaxed")
COMPRESSIONS: Final = ("none", "lz4", "zstd")
STATEMENT_TIMEOUT_SECONDS_MAX: Final = 7 * 86_400
_OFFSET: Final = re.compile(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]")
_SECONDS: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class _Option:
    """How one option is read, and how a text or number becomes it. A `write` of None resets."""

    read: Callable[[Session], OptionValue]
    write: Callable[[Session, OptionValue], None]


def session_options(session: Session) -> Mapping[str, OptionValue]:
    """All options and their values."""
    return {name: option.read(session) for name, option in _OPTIONS.items()}


def option_name(name: str) -> str:
    """`name` as the table below has it: SET TIME ZONE sets what PostgreSQL and its drivers call timezone."""
    folded = name.lower()
    return _OTHER_NAMES.get(folded, folded)


def set_session_option(session: Session, name: str, value: OptionValue, namespaces: Container[str]) -> None:
    """Set one option; None resets it. `namespaces` are those that exist.

    Raises: NotFound (no such option or namespace), InvalidRequest (bad value); the session is as before.
    """
    option = _OPTIONS.get(option_name(name))
    if option is None:
        raise NotFound(
            f"unknown session option '{name[:80]}': known are {', '.join(sorted(_OPTIONS))}", sqlstate="42704"
        )
    if option is _OPTIONS["schema"] and value is not None and value not in namespaces:
        raise InvalidRequest(
            f"namespace '{value}' does not exist; create it first with CREATE NAMESPACE {value}", sqlstate="3F000"
        )
    with session.lock:
        option.write(session, value)


def _set_catalog(_: Session, value: OptionValue) -> None:
    if value not in (None, "", CATALOG):
        raise InvalidRequest(f"catalog '{value}' does not exist; the only one is '{CATALOG}'", sqlstate="3D000")


def _set_namespace(session: Session, value: OptionValue) -> None:
    session.namespace = DEFAULT_NAMESPACE if value is None else str(value)


def _set_durability(session: Session, value: OptionValue) -> None:
    text = "full" if value is None else str(value).lower()
    if text not in DURABILITIES:
        raise InvalidRequest(f"bad durability '{value}': use one of {', '.join(DURABILITIES)}")
    session.durability = text


def _set_compression(session: Session, value: OptionValue) -> None:
    text = "none" if value is None else str(value).lower()
    if text not in COMPRESSIONS:
        raise InvalidRequest(f"bad compression '{value}': use one of {', '.join(COMPRESSIONS)}")
    session.compression = text


def _set_time_zone(session: Session, value: OptionValue) -> None:
    text = "+00:00" if value is None else str(value).strip()
    if text.upper() in ("UTC", "Z"):
        text = "+00:00"
    if _OFFSET.fullmatch(text) is None and not _is_zone(text):
        raise InvalidRequest(f"unknown time zone '{text[:80]}': use a name as Europe/Berlin or an offset as +02:00")
    session.time_zone = text


def _is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError of its own making
        return False
    except KeyError:
        return False
    return True


def _set_statement_timeout(session: Session, value: OptionValue) -> None:
    seconds = _seconds(value)
    if not 0 <= seconds <= STATEMENT_TIMEOUT_SECONDS_MAX:
        raise InvalidRequest(
            f"bad statement_timeout_seconds '{str(value)[:40]}': use 0 (none) to {STATEMENT_TIMEOUT_SECONDS_MAX}"
        )
    session.statement_timeout_seconds = seconds


def _seconds(value: OptionValue) -> float:
    """-1 for what is no number: Python would read 1_000 and digits of other scripts, too."""
    if value is None:
        return 0.0
    if isinstance(value, str):
        return float(value) if _SECONDS.fullmatch(value.strip()) else -1.0
    return -1.0 if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)


def _set_exact_types(session: Session, value: OptionValue) -> None:
    found = _TRUTHS.get(str(value).lower())
    if found is None:
        raise InvalidRequest(f"bad exact_types '{str(value)[:40]}': use true or false")
    session.exact_types = found


_TRUTHS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False, "none": False}
_OTHER_NAMES: Final = {"timezone": "time_zone", "search_path": "schema", "current_schema": "schema"}
_OPTIONS: Final[Mapping[str, _Option]] = {
    "catalog": _Option(lambda _: CATALOG, _set_catalog),
    "schema": _Option(lambda s: s.namespace, _set_namespace),
    "compression": _Option(lambda s: s.compression, _set_compression),
    "durability": _Option(lambda s: s.durability, _set_durability),
    "exact_types": _Option(lambda s: s.exact_types, _set_exact_types),
    "time_zone": _Option(lambda s: s.time_zone, _set_time_zone),
    "statement_timeout_seconds": _Option(lambda s: s.statement_timeout_seconds, _set_statement_timeout),
}
