"""Fail points are what POINTS says, each in one place: a test of a name that nothing reaches would test nothing."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from storage.failpoints import LOOPS, POINTS
from tests.house.source_files import sources, tree_of

BY_KIND_OF_CALL = "call."  # reached under a name put together from the call's kind


def names_reached(by: str = "reach") -> Iterator[str]:
    """The name in each `reach("...")` of the source."""
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == by:
                (name,) = node.args
                if isinstance(name, ast.Constant):
                    assert isinstance(name.value, str)
                    yield name.value


def test_every_fail_point_is_in_the_code_once_and_every_one_in_the_code_is_listed():
    reached = Counter(names_reached())
    assert {name: count for name, count in reached.items() if count > 1} == {}
    unlisted = set(reached) - POINTS
    unreached = {name for name in POINTS - set(reached) if not name.startswith(BY_KIND_OF_CALL)}
    assert (unlisted, unreached) == (set(), set())


def test_every_step_of_a_loop_is_in_the_code_once():
    assert Counter(names_reached("reach_loop")) == Counter(LOOPS)
