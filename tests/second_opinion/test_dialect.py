"""The table of dialect is told in the reference, and excuses what it names and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.second_opinion.dialect import DIALECT, Difference, excused
from tests.support.server_process import REPOSITORY

HEADING = "## Differences from PostgreSQL\n"


def told() -> str:
    """The list of differences, without line ends."""
    text = (REPOSITORY / "docs" / "sql.md").read_text(encoding="utf-8")
    return " ".join(text.partition(HEADING)[2].partition("\n#")[0].split())


@pytest.mark.parametrize("entry", DIALECT, ids=lambda entry: entry.name)
def test_each_difference_is_in_the_reference(entry: Difference) -> None:
    assert entry.name in told()


@pytest.mark.parametrize("entry", DIALECT, ids=lambda entry: entry.name)
def test_each_difference_is_avoided_or_says_what_it_excuses(entry: Difference) -> None:
    assert bool(entry.avoided) != bool(entry.sql and entry.said)
    assert re.compile(entry.sql)
    assert re.compile(entry.said)


def test_nothing_is_excused_that_no_entry_names() -> None:
    assert excused("SELECT id, id FROM t1", "error 42701 column id is named twice") is None
    assert excused("SELECT id, id FROM t1", "came: 1 rows; right: 2 rows") is None
    entry = Difference("a name", "ours", "theirs", sql="id, id", said="^error 42701")
    assert entry.excuses("SELECT id, id FROM t1", "error 42701 twice")
    assert not entry.excuses("SELECT id, id FROM t1", "came: 1 rows")
