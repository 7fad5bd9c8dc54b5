"""What is found in a plan's text in one pass is what patterns find that begin again at each place."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from flight_server.query.bounds import has_unyielding_join
from flight_server.query.care import plan_text
from flight_server.query.care.risks import _EQUAL, faults_of_rules, rewrites_for
from flight_server.sandbox.written_sizes import fixed_sizes, texts_of
from flight_server.sql.change.insert import _NUMBER
from flight_server.sql.context.default_values import _CALL
from flight_server.sql.context.literal_values import _POINT
from flight_server.sql.live.selection import _HIDDEN_NAME, HIDDEN
from storage.catalog.names import list_of_names, quoted_names
from tests.support.plan_words import PLAN_WORDS

TEXTS = 20_000
_IN_CASE = r"(?:WHEN|THEN|ELSE) (?:(?!\b(?:WHEN|THEN|ELSE|END)\b)[^\n])*"
_DIVISION = r"[/%] (?![A-Z]\w*\()"
_CAST = r"\bCAST\((?!\?table\?).*? AS (?!Utf8|LargeUtf8)\w+"
_LISTED = re.compile(r"\s*(?:\"((?:[^\"]|\"\")+)\"|([^,\"]*[^,\"\s]))\s*(,|$)")


def listed(text: str) -> tuple[str, ...] | None:
    names: list[str] = []
    end = 0
    for found in _LISTED.finditer(text):
        if found.start() != end:
            return None
        end = found.end()
        names.append(found[1].replace('""', '"') if found[1] is not None else found[2])
        if end == len(text) and not found[3]:
            return tuple(names)
    return None


def found_by(pattern: str, flags: int = 0) -> Callable[[str], list[Any]]:
    return re.compile(pattern, flags).findall


def is_found_by(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    return lambda text: re.search(pattern, text, flags) is not None


# What finds it now, what found it, and what texts are made of.
SAME: dict[str, tuple[Callable[[str], Any], Callable[[str], Any], tuple[str, ...]]] = {
    "keys of orders": (
        lambda text: list(plan_text.sort_keys(text)),
        found_by(r"(?:PARTITION|ORDER) BY \[([^\]]*)\]"),
        ("ORDER BY [", "PARTITION BY [", "]", "[", "a", ", ", "\n", "BY ["),
    ),
    "sets of groups": (
        plan_text.has_many_sets,
        is_found_by(r"groupBy=\[\[.*\b(?:ROLLUP|CUBE|GROUPING SETS) \("),
        ("groupBy=[[", "ROLLUP (", "CUBE (", "xCUBE (", " ", "\n", "]]", "a"),
    ),
    "casts to group by": (
        plan_text.has_cast_key,
        is_found_by(r"groupBy=\[\[(?:(?!\]\], aggr=).)*CAST", re.DOTALL),
        ("groupBy=[[", "]], aggr=", "CAST", "(", "a", "\n", "]]"),
    ),
    "calls of casts": (
        plan_text.cast_calls,
        lambda text: set(re.findall(r"(\w+)\(CAST\((.+?) AS (\w+)", text)),
        ("sum(CAST(", "CAST(", "max", "(", " AS ", "Int64", ")", "a", " ", "."),
    ),
    "casts": (
        lambda text: list(plan_text.casts(text)),
        found_by(_CAST),
        ("CAST(", "?table?", " AS ", "Utf8", "Int64", ")", "a", "\n", "x", " "),
    ),
    "divisions in arms": (
        plan_text.divides_in_case,
        is_found_by(_IN_CASE + _DIVISION),
        ("CASE ", "WHEN ", "THEN ", "ELSE ", "END", "/ ", "% ", "Int64(", "a", "x", " ", "\n"),
    ),
    "casts in arms": (
        plan_text.casts_in_case,
        is_found_by(_IN_CASE + _CAST),
        ("WHEN ", "THEN ", "ELSE ", "END", "CAST(", " AS ", "Utf8", "Int64", "a", " ", "\n", "?table?"),
    ),
    "equalities": (
        lambda text: _EQUAL.sub("", text),
        lambda text: re.sub(r"[^\s=]+ = outer_ref\([^()]*\)|outer_ref\([^()]*\) = [^\s=]+", "", text),
        ("a.b", " = ", "outer_ref(", ")", "(", "=", " ", "\n", "x"),
    ),
    "hidden names": (
        lambda text: _HIDDEN_NAME.sub("", text),
        lambda text: re.sub(rf"(, )?\S*\b{HIDDEN}\b", "", text),
        (HIDDEN, ", ", " ", "a", ".", "t.", '"', ","),
    ),
    "texts": (
        lambda text: list(texts_of(text)),
        lambda text: [found[0] for found in re.finditer(r"'(?:[^']|'')*+'|\$(\w*)\$.*?\$\1\$", text, re.DOTALL)],
        ("'", "''", "$", "$a$", "$b$", "$$", "a", " ", "\n"),
    ),
    "decimals": (
        lambda text: (found := _NUMBER.fullmatch(text)) and found.groups(),
        lambda text: (found := re.fullmatch(r"\s*([-+]?)\s*(\d*)\.?(\d*)\s*", text, re.ASCII)) and found.groups(),
        ("-", "+", " ", "1", "23", ".", "x"),
    ),
    "numbers with points": (
        lambda text: _POINT.fullmatch(text) is not None,
        lambda text: re.fullmatch(r"[-+]?(?=\.?[0-9])[0-9]*\.?[0-9]*", text) is not None,
        ("-", "+", "1", "23", ".", "x"),
    ),
    "calls in defaults": (
        lambda text: (found := _CALL.fullmatch(text)) and found.groups(),
        lambda text: (found := re.fullmatch(r"\s*(\w+)\s*(?:\(\s*\))?\s*", text, re.ASCII)) and found.groups(),
        ("now", " ", "(", ")", "1", "x"),
    ),
    "names in a list": (quoted_names, listed, ('"', '""', ",", " ", "a", "b c", "\n")),
}


@pytest.mark.parametrize("what", SAME)
def test_it_is_what_the_pattern_finds(what: str):
    now, before, pieces = SAME[what]
    random = Random(what)
    found = 0
    for _ in range(TEXTS):
        text = "".join(random.choices(pieces, k=random.randint(1, 14)))
        assert now(text) == before(text), text
        found += bool(now(text))
    assert found > TEXTS // 100


def test_no_size_of_a_type_is_missed():
    random = Random(5)
    pieces = ("FixedSizeList", "fixedsizebinary", "(", ")", " ", "3", "16 x", "Int64", "a", ", ", "-")
    for _ in range(TEXTS):
        text = "".join(random.choices(pieces, k=random.randint(1, 10)))
        missed = set(re.findall(r"fixedsize\w*\W+(?:\w+\W+)??(\d+)", text, re.IGNORECASE)) - set(fixed_sizes(text))
        assert missed == set(), text


def test_names_that_are_listed_are_read_again():
    for names in (("a",), ("a", "b c"), ('q"x', "a,b"), ("é",)):
        assert quoted_names(list_of_names(names)) == names


def test_tags_that_nothing_ends_are_passed_over_in_one_pass():
    """Each different, in a comment for example."""

    def seconds(tags: int) -> float:
        text = " ".join(f"$t{number}$" for number in range(tags))
        before = time.thread_time()
        assert list(texts_of(text)) == []
        return time.thread_time() - before

    assert any(seconds(40_000) <= 10 * max(0.01, seconds(10_000)) for _ in range(3))


PLANS = (
    "Projection: {}",
    'Filter: a = Utf8("{}")\n  TableScan: t',
    'Sort: a ASC NULLS LAST\n  Projection: Utf8("{}") AS b, CAST(a AS Int64)\n    TableScan: t',
    'WindowAggr: windowExpr=[[max(CAST(a AS Int64)) PARTITION BY [Utf8("{}")] ORDER BY [a ASC]]]\n  TableScan: t',
    'Aggregate: groupBy=[[a, Utf8("{}")]], aggr=[[max(b)]]\n  Left Join:  Filter: a / b > 1\n    TableScan: t',
    'Filter: EXISTS (<subquery>)\n  Subquery:\n    Filter: outer_ref(t.a) = Utf8("{}")\n      TableScan: t',
)
LENGTHS = (4_000, 16_000, 64_000)
TIMES_MAX, SECONDS_MIN = 9, 0.008  # the square would be 16


@pytest.mark.parametrize("plan", PLANS)
def test_a_callers_text_in_a_plan_takes_time_by_its_length(plan: str):
    columns = pa.schema([("a", pa.int64())])
    slow = []
    for word in PLAN_WORDS:
        for _ in range(3):
            shorter, is_slow = SECONDS_MIN, False
            for length in LENGTHS:
                text = "".join(word.replace("#", str(number)) for number in range(length // len(word)))
                shown = plan.format(text) if "{" not in text else plan.replace("{}", text)
                before = time.thread_time()
                rewrites_for(shown, lambda: columns, partial(str, shown))
                faults_of_rules(shown)
                has_unyielding_join(shown)
                taken = time.thread_time() - before
                if is_slow := taken > TIMES_MAX * max(SECONDS_MIN, shorter):
                    break
                shorter = taken
            if not is_slow:
                break
        if is_slow:
            slow.append(word)
    assert slow == []
