"""The metrics page: what it tells, and what it never tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from flight_server.monitoring.health import Health
from flight_server.monitoring.metrics import _families
from flight_server.sql.system.stats import Figure
from storage.counters import EVERY, Count, Counters
from storage.histograms import DurationHistograms
from tests.support.server_process import ServerProcess

LABELS = {
    "call",
    "version",
    "kind",
    "state",
    "type",
    "status",
    "le",
    "operation",
    "storage",
    "reason",
    "result",
    "outcome",
}


def scraped(server: ServerProcess) -> tuple[str, dict[str, float]]:
    """The page and the value of each sample, by name and labels as written."""
    status, text = server.health("/metrics")
    assert status == 200
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return text, {name: float(value) for name, _, value in lines}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Mapping[str, float]]:
    data = tmp_path_factory.mktemp("metrics") / "data"
    with ServerProcess(data) as server, server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE secret_name (a BIGINT)")
        cursor.execute("INSERT INTO secret_name VALUES (1), (2), (3)")
        cursor.execute("FLUSH TABLE secret_name")
        [(job_id, *_)] = cursor.fetchall()
        cursor.execute(f"WAIT FOR JOB '{job_id}'")
        cursor.fetchall()
        cursor.execute("INSERT INTO secret_name VALUES (4)")
        with pytest.raises(Exception, match="already exists"):
            cursor.execute("CREATE TABLE secret_name (a BIGINT)")
        found = scraped(server)
        cursor.execute("SELECT statistic, value FROM system.stats")
        stats = dict(cursor.fetchall())
    for name in ("hot_rows", "cold_rows", "rows_inserted", "rows_flushed"):
        assert stats[name] == found[1].get(f"frostline_{name}", found[1].get(f"frostline_{name}_total"))
    return found


def test_the_page_tells_of_rows_jobs_statements_and_the_process(page: tuple[str, Mapping[str, float]]):
    _, values = page
    assert values["frostline_hot_rows"] == 1
    assert values["frostline_cold_rows"] == 3
    assert values["frostline_cold_files"] == 1
    assert values["frostline_rows_inserted_total"] == 4
    assert values["frostline_rows_flushed_total"] == 3
    assert values["frostline_storage_well"] == 1
    assert "frostline_last_seq" not in values, "a float can't hold it"
    assert values["frostline_sessions"] >= 1
    assert values["frostline_subscribers"] == 0
    assert values['frostline_tables{kind="shared"}'] == 1
    assert values["frostline_commits_total"] >= 3
    assert values["frostline_log_syncs_total"] >= 3
    assert values['frostline_job_seconds_count{status="completed",type="flush"}'] == 1
    assert values['frostline_statement_seconds_count{state="finished"}'] >= 4
    assert values['frostline_statement_seconds_count{state="failed"}'] == 1
    assert values["process_resident_memory_bytes"] > 1e6


def test_no_figure_is_about_a_user_a_table_or_a_text(page: tuple[str, Mapping[str, float]]):
    text, values = page
    assert "secret_name" not in text
    assert "root" not in text
    for name in values:
        labels = name.partition("{")[2].removesuffix("}")
        assert {label.partition("=")[0] for label in labels.split(",") if label} <= LABELS, name


def test_every_figure_is_explained_to_operators(page: tuple[str, Mapping[str, float]]):
    told = (Path(__file__).parent.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    names = {name.partition("{")[0].removeprefix("frostline_") for name in page[1] if name.startswith("frostline_")}
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert [name for name in sorted(names) if not re.search(rf"`{name}[`{{]", told)] == []


def test_before_there_are_figures_the_page_says_so():
    health = Health(storage=lambda: "ok")
    assert health.answer("GET", "/metrics") == (503, "not serving")
    health.metrics = lambda: b"frostline_hot_rows 1.0\n"
    assert health.answer("GET", "/metrics") == (200, "frostline_hot_rows 1.0")
    assert health.answer("POST", "/metrics")[0] == 405


def test_figures_of_one_name_come_together_whatever_their_order():
    figures = [Figure("a", "A", 1, {"k": "x"}), Figure("b", "B", 2, is_rising=True), Figure("a", "A", 3, {"k": "y"})]
    families = list(_families(figures))
    assert [family.name for family in families] == ["frostline_a", "frostline_b"]
    assert [(sample.labels["k"], sample.value) for sample in families[0].samples] == [("x", 1), ("y", 3)]
    assert [sample.name for sample in families[1].samples] == ["frostline_b_total"]


def test_counts_are_there_from_the_start_and_those_with_a_label_once_they_happen():
    calls = Count("calls", "Calls", label="operation")
    counters = Counters()
    counters.declare(calls)
    assert {count.name for count in EVERY} < {count.name for count in counters.now()}
    assert counters.now()[calls] == {}
    counters.add(calls, label="get")
    counters.add(calls, 2, label="get")
    assert counters.now()[calls] == {"get": 3}
    with pytest.raises(AssertionError, match="operation"):
        counters.add(calls)


def test_durations_are_kept_by_bounds_and_summed():
    durations = DurationHistograms((0.1, 1.0))
    for seconds in (0.1, 0.5, 1.0, 7.0):
        durations.add(("done",), seconds)
    [(labels, spread)] = durations.now().items()
    assert (labels, spread.counts, spread.seconds) == (("done",), (1, 2, 1), pytest.approx(8.6))


def test_names_of_counts_are_unique_and_in_one_form():
    names = [count.name for count in EVERY]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in names)
