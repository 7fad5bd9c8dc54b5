"""Where texts can be seen after slips of the finger: `system.queries`, the audit log, errors, the server's log."""

from __future__ import annotations

from random import Random

import pytest

from tests.sql.secret_texts import QUOTES, SECRET, TEXTS, is_the_name, mistyped
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused


@pytest.fixture
def written(client: Client) -> list[str]:
    """What was said of each text that was run, and what the server shows of all of them."""
    random = Random("secrets in sight")
    said = []
    for _ in range(120):
        slipped = mistyped(random, random.choice(TEXTS))
        if is_the_name(slipped):
            continue
        try:
            client.do(slipped.replace("@", random.choice(QUOTES)))
        except Refused as refusal:
            said.append(str(refusal))
    said += [str(row) for row in client.rows("SELECT * FROM system.queries")]
    said += [str(row) for row in client.rows("SELECT * FROM system.audit_log")]
    return said


def test_no_secret_is_seen_anywhere(written: list[str], server: ServerProcess):
    assert len(written) > 60
    assert [each for each in written if SECRET in each] == []
    assert [event for event in server.events if SECRET in str(event)] == []
    assert [event for event in server.events if event["event"] == "internal_error"] == []
