"""The flights give the same answers as in DuckDB, whatever state their rows are in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.flights import FLIGHT_ROWS
from tests.demo.duckdb_side import assert_same, assert_same_table
from tests.demo.questions import QUESTIONS
from tests.demo.story import STATES, Story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    told = Story(tmp_path_factory.mktemp("story"))
    yield told
    told.close()


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest, story: Story) -> str:
    """Tests with the same state run together, in the order of the states."""
    story.advance_to(request.param)
    return request.param


def test_the_state_is_what_its_name_says(story: Story, state: str):
    facts = story.stats("flights")
    hot, cold, deleted = facts["hot_rows"], facts["cold_rows"], facts["deleted_versions"]
    expected = {
        "all_hot": hot == FLIGHT_ROWS and cold == 0 and deleted == 0,
        "all_cold": hot == 0 and cold == FLIGHT_ROWS and deleted == 0,
        "mixed": hot > 0 and cold == FLIGHT_ROWS and deleted > 0,
        "compacted": hot == 0 and facts["cold_files"] == 1,
        "restarted": hot == 0 and facts["cold_files"] == 1,
    }
    assert expected[state], facts


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_the_same_as_in_duckdb(story: Story, state: str, question: str):
    found = story.ask(QUESTIONS[question])
    assert found
    assert_same(found, story.expected[question])


@pytest.mark.parametrize("table", ["airlines", "airports", "planes", "weather", "flights"])
def test_every_row_is_the_same_as_in_duckdb(story: Story, state: str, table: str):
    everything = f"SELECT * FROM {table}"
    assert_same_table(story.table(everything), story.expected_table(everything))
