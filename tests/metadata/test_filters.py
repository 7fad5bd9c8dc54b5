"""Patterns mean what LIKE means, whatever is in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server.metadata.filters import is_our_catalog, like, like_one_of


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (None, "anything", True),
        ("", "", True),
        ("", "a", False),
        ("%", "", True),
        ("%", "abc", True),
        ("abc", "abc", True),
        ("abc", "ABC", False),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("a\\_c", "a_c", True),
        ("a\\_c", "abc", False),
        ("a\\%", "a%", True),
        ("a\\%", "ab", False),
        ("a\\\\b", "a\\b", True),
        ("a\\", "a\\", True),
        ("%b%d%", "abcde", True),
        ("%b%d", "abcde", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("(a|b)*", "(a|b)*", True),
        ("' OR 1=1 --", "t", False),
        ("a%\n", "ab\n", True),
    ],
)
def test_a_pattern_matches_the_whole_name_exactly(pattern, name, matches):
    assert like(pattern)(name) is matches


@given(pattern=st.text(alphabet="ab%_\\", max_size=8), name=st.text(alphabet="ab%_\\", max_size=8))
def test_matching_agrees_with_a_regular_expression(pattern, name):
    parts = re.findall(r"\\.|\\|%|_|[^%_\\]", pattern, re.DOTALL)
    meaning = {"%": ".*", "_": "."}
    expression = "".join(meaning.get(p) or re.escape(p[1:] if len(p) == 2 else p) for p in parts)
    assert like(pattern)(name) == (re.fullmatch(expression, name, re.DOTALL) is not None)


@pytest.mark.timeout(5)
def test_a_hostile_pattern_takes_no_time():
    assert not like("%a" * 30 + "b")("a" * 64)
    assert not like("%" * 1_000_000 + "x")("a" * 64)
    assert not like("x" * 1_000_000)("x" * 64)


def test_the_catalog_is_exact_but_for_capitals_and_an_empty_one_is_none():
    names = (None, "frostline", "FROSTLINE", "", "%", "Frostline")
    assert [is_our_catalog(name) for name in names] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("FLIGHTS", ["flights"]),
        ("FLI%", ["flights"]),
        ("Flights", []),
        ("flights", ["flights"]),
        ("BIG", ["BIG"]),
        ("%", ["flights", "BIG", "big", "_1"]),
        ("_1", ["_1"]),
        (None, ["flights", "BIG", "big", "_1"]),
    ],
)
def test_capitals_that_fit_no_name_are_taken_without_regard_to_case(pattern: str | None, found: list[str]):
    names = ["flights", "BIG", "big", "_1"]
    fits = like_one_of(pattern, names)
    assert [name for name in names if fits(name)] == found
