"""Our source files as the tests of the house read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
PACKAGES: Final = ("flight_server", "storage", "jobs")
GENERATED: Final = ("flight_server/wire/flight_sql_pb2.py",)


def sources() -> list[str]:
    """Paths of our modules, from the root of the repository, without generated ones."""
    found = [path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return sorted(path for path in found if path not in GENERATED)


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse(text_of(path), path)


@cache
def imports_of(path: str) -> frozenset[str]:
    """Full names of all that a module imports, wherever in it and for types too: `a.b` and `a.b.c` for
    `from a.b import c`."""
    return frozenset(_imports_of(path))


def _imports_of(path: str) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full path"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
