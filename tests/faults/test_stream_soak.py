"""Three streams under writers, readers and evictions for some seconds. For minutes: tests/faults/long."""

from __future__ import annotations

from pathlib import Path

from tests.faults.stream_soak import Soak
from tests.support.server_process import ServerProcess

SECONDS = 2.0


def test_streams_count_right_while_events_come_and_leave(tmp_path: Path):
    with ServerProcess(tmp_path / "data") as server:
        soak = Soak(server, seed=7)
        soak.create()
        soak.run(SECONDS)
    assert soak.failures[:5] == []
    assert soak.reads > 0
    assert 0 < soak.accepted
    assert soak.told > 0
