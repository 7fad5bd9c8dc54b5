"""Ten thousand calls begun and given up, and more as long as the share lasts: after each thousand nothing stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cancel_checks import check_answers, check_nothing_stays
from tests.faults.cancel_storm import CONFIG, Held, Storm
from tests.faults.long.conftest import Shift
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

CALLS = 1000


@pytest.mark.long
def test_a_long_storm_of_given_up_calls_leaves_nothing_behind(tmp_path: Path, shift: Shift):
    config = tmp_path / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        with server.connect() as connection:
            Client(connection).do("CREATE TABLE stormed AS SELECT value AS k, 'x' AS v FROM generate_series(1, 1000)")
        storm = Storm(server, shift.seed)
        storm.blow(100)
        before = Held.by(server)
        for _ in shift.rounds(at_least=10):
            storm.blow(CALLS)
            check_nothing_stays(server, before)
        print(dict(storm.outcomes))
        check_answers(server, 1000)
        assert server.stop() == 0
        assert [event for event in server.events if event["event"] == "internal_error"] == []
