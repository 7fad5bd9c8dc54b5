"""`read` reads settings from one TOML file: every key known, every value checked, defaults in the dataclasses.

A section of the file is one frozen dataclass; each room of the house owns its own, the front's are here. `read`
refuses what it does not know and what does not fit, naming the dotted key, so that a typo never becomes a default.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from storage.errors import InvalidRequest

S = TypeVar("S")


def read(path: Path, into: type[S]) -> S:
    """The settings in the TOML file `path` as an `into`, whose fields are the sections.

    Raises: InvalidRequest naming the dotted key and what is wrong with it, or the place of a syntax error.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise InvalidRequest(f"settings file '{path}' can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"settings file '{path}' is not TOML: {error}") from error
    return checked(found, into)


def checked(found: Mapping[str, Any], into: type[S]) -> S:
    """`found` (section -> key -> value) over the defaults of `into`. Raises InvalidRequest as `read`."""
    sections = get_type_hints(into)
    _refuse_unknown(found, sections, prefix="")
    return into(**{name: _section(name, found.get(name, {}), kind) for name, kind in sections.items()})


def _section(name: str, found: Any, kind: type[Any]) -> Any:
    if not isinstance(found, Mapping):
        raise InvalidRequest(f"setting '{name}' is a section: write [{name}] and its keys below")
    types = get_type_hints(kind, include_extras=True)
    _refuse_unknown(found, types, prefix=f"{name}.")
    return kind(**{key: _value(f"{name}.{key}", value, types[key]) for key, value in found.items()})


def _value(dotted: str, value: Any, kind: Any) -> Any:
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError("Expected a finite number")
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + ".."
        raise InvalidRequest(f"setting '{dotted}' can't be {shown}: {_lower_first(str(error))}") from error


def _refuse_unknown(found: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> None:
    for key in found:
        if key not in known:
            raise InvalidRequest(f"unknown setting '{prefix}{key}': known are {', '.join(sorted(known))}")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def flat(settings: Any) -> dict[str, Any]:
    """Dotted key -> value, for system.settings and the log. No setting is a secret."""
    sections = dataclasses.asdict(settings)
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
