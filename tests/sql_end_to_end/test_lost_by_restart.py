"""A server is killed, or stops, in the middle of a transaction: half of it is not stored by who goes on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from tests.support.server_process import ServerProcess
from tests.wire.error_kinds import command


def run(server: ServerProcess, token: tuple[bytes, bytes], sql: str) -> list[object]:
    options = flight.FlightCallOptions(headers=[token])
    with flight.connect(server.uri) as client:
        [endpoint] = client.get_flight_info(command(sql), options).endpoints
        table: pa.Table = client.do_get(endpoint.ticket, options).read_all()
        return [value for row in table.to_pylist() for value in row.values()]


@pytest.mark.parametrize("killed", [True, False])
def test_a_token_that_outlives_the_server_is_told_of_its_transaction_and_settings(tmp_path: Path, killed: bool) -> None:
    data = tmp_path / "data"
    with ServerProcess(data) as server:
        with flight.connect(server.uri) as client:
            password = server.root_password or ""
            plain, busy, set_up = (client.authenticate_basic_token("root", password) for _ in range(3))
        run(server, plain, "CREATE TABLE a (v INT); INSERT INTO a VALUES (100)")
        run(server, busy, "BEGIN; UPDATE a SET v = v - 50")
        run(server, set_up, "CREATE NAMESPACE n; USE n")
        if killed:
            server.kill()
        else:
            assert server.stop() == 0
    with ServerProcess(data) as server:
        for _ in range(2):
            with pytest.raises(Exception, match=r"\[25P03\].*ended with its session by a restart"):
                run(server, busy, "UPDATE a SET v = v + 50")
        with pytest.raises(Exception, match=r"\[25P03\]"):
            run(server, busy, "COMMIT")
        assert run(server, busy, "SELECT v FROM a") == [100]
        with pytest.raises(Exception, match=r"\[57P05\].*ended by a restart"):
            run(server, set_up, "SELECT v FROM a")
        assert run(server, set_up, "SELECT v FROM a") == [100]
        assert run(server, plain, "SELECT v FROM a") == [100]
