"""The floor plan, held by reading the source: who imports whom, no circles, rooms that one can take in at a glance."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from functools import cache

import pytest

from tests.house.rooms import COMPOSITION_ROOT, FILES_MAX, MAY_IMPORT, SEES_JOBS
from tests.house.source_files import ROOT, imports_of, sources, text_of, tree_of

OWN_ROOMS = frozenset({"storage/engine"})


def room_of(path: str) -> str:
    """Its folder; some files are rooms by themselves."""
    alone = path.removesuffix(".py")
    return alone if alone in OWN_ROOMS else path.rpartition("/")[0]


@cache
def modules() -> dict[str, str]:
    """Module -> path."""
    return {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources()}


@cache
def imported_files(path: str) -> frozenset[str]:
    """Paths of our modules that a file imports; a package's own file only when nothing in the package is meant."""
    found = {modules()[name] for name in imports_of(path) if name in modules()}
    return frozenset(other for other in found if not other.endswith("__init__.py")) - {path}


def cycles(arrows: Mapping[str, Set[str]]) -> list[str]:
    """Nodes on any circle, found by taking away what nothing, or only what is gone, leads to or from."""
    left = {node: set(targets) for node, targets in arrows.items()}
    while True:
        reached = {target for targets in left.values() for target in targets}
        ends = {node for node, targets in left.items() if not targets & left.keys() or node not in reached}
        if not ends:
            return sorted(left)
        left = {node: targets - ends for node, targets in left.items() if node not in ends}


@pytest.mark.parametrize("path", sources())
def test_files_import_only_what_their_room_may(path: str):
    room = room_of(path)
    if path.endswith("__init__.py"):
        return
    others = {other: room_of(other) for other in imported_files(path)}
    if room == COMPOSITION_ROOT:
        wrong = [other for other, its in others.items() if its.startswith("jobs") and path != SEES_JOBS]
    else:
        allowed = {room, *MAY_IMPORT[room]}
        wrong = [other for other, its in others.items() if its not in allowed]
    assert wrong == [], f"{path} imports {wrong}"


def test_files_do_not_go_in_circles():
    assert cycles({path: imported_files(path) for path in sources()}) == []


def test_rooms_do_not_go_in_circles():
    """Nor do any two import each other."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for path in sources():
        if not path.endswith("__init__.py"):
            arrows[room_of(path)] |= {room_of(other) for other in imported_files(path)} - {room_of(path)}
    assert cycles(arrows) == []


def test_rooms_are_small():
    files = Counter(room_of(path) for path in sources() if not path.endswith("__init__.py"))
    assert {room: number for room, number in files.items() if number > FILES_MAX} == {}


def test_every_room_says_what_it_is_for():
    rooms = {path.rpartition("/")[0] for path in sources()} - {"flight_server", "storage", "jobs"}
    silent = [
        room
        for room in sorted(rooms)
        if f"{room}/__init__.py" not in sources() or len(_docstring(f"{room}/__init__.py")) < 60
    ]
    assert silent == []


def _docstring(path: str) -> str:
    return ast.get_docstring(tree_of(path)) or ""


def test_packages_are_no_walls_of_names():
    """A package hands nothing on, so that every name has one address. `query` is the one that others outside use."""
    handing = [path for path in sources() if path.endswith("__init__.py") and "import" in _code(path)]
    assert handing == ["flight_server/query/__init__.py"]


def _code(path: str) -> str:
    return text_of(path).rpartition('"""')[2]


def test_rooms_of_the_table_are_there():
    there = {room_of(path) for path in sources()}
    assert set(MAY_IMPORT) == there - {COMPOSITION_ROOT}


def test_no_test_module_imports_another():
    """What tests share is in modules that are no tests, so that a rename breaks no stranger."""
    wrong = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2].startswith("test_")
    ]
    assert wrong == []
