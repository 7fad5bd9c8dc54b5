"""What a client reads when something goes wrong: one sentence, an SQLSTATE, the nearest status."""

from __future__ import annotations

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire.errors import as_flight_error
from storage import errors
from tests.wire.error_kinds import KINDS, command, is_clean


def adbc_error(server, sql: str) -> adbc_driver_manager.Error:
    with server.connect() as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error) as caught:
            _run(cursor, sql)
        return caught.value


def _run(cursor, sql: str) -> None:
    cursor.execute(sql)
    cursor.fetchall()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["FAIL {}", "ROWS 5 THEN FAIL {}", "ROWS DICTIONARY 2 THEN FAIL {}"])
def test_adbc_reads_one_clean_sentence_with_its_sqlstate(server, kind, place):
    sqlstate, status, _ = KINDS[kind]
    error = adbc_error(server, place.format(kind))
    assert f"[FlightSQL] [{sqlstate}] the {kind} sentence names 'thing' (" in str(error)
    assert is_clean(str(error))
    if "DICTIONARY" not in place or status.value in (2, 3, 5):  # such streams can't send the other statuses
        assert error.status_code == status


@pytest.mark.parametrize("kind", KINDS)
def test_pyarrow_reads_the_nearest_status(server, kind):
    sqlstate, _, exception = KINDS[kind]
    client, options = server.flight()
    with client, pytest.raises(exception, match=rf"^\[{sqlstate}\] the {kind} sentence names 'thing'") as caught:
        client.get_flight_info(command(f"FAIL {kind}"), options)
    assert "Traceback" not in str(caught.value)
    assert ".py" not in str(caught.value)


@pytest.mark.parametrize("sql", ["CRASH", "ROWS 5 THEN FAIL Crash", "ROWS DICTIONARY 2 THEN FAIL Crash"])
def test_what_nobody_foresaw_is_logged_under_an_id_and_not_shown(server, sql):
    text = str(adbc_error(server, sql))
    [entry] = [entry for entry in server.log.entries if entry["event"] == "internal_error"]
    assert f"internal error, reference {entry['reference']}" in text
    assert "secret" not in text
    assert is_clean(text)
    assert "secret detail" in entry["frames"]
    assert "fake_statements" in entry["frames"]


@pytest.mark.parametrize(
    ("kind", "exception"),
    [("BOO", pa.ArrowInvalid), ("SELECT * FROM nowhere", pa.ArrowKeyError)],
)
def test_get_schema_keeps_the_statuses_it_can_send(server, kind, exception):
    client, options = server.flight()
    with client, pytest.raises(exception, match=r"^\[42"):
        client.get_schema(command(kind), options)


def test_a_path_instead_of_a_command_is_told_so(server):
    client, options = server.flight()
    with client, pytest.raises(pa.ArrowInvalid, match="the descriptor is a path"):
        client.get_flight_info(flight.FlightDescriptor.for_path("x"), options)


def test_do_exchange_is_not_supported(server):
    client, options = server.flight()
    with client:
        writer, reader = client.do_exchange(command("x"), options)
        with pytest.raises(pa.ArrowNotImplementedError, match="DoExchange is not supported"):
            reader.read_chunk()
        with pytest.raises(pa.ArrowNotImplementedError):
            writer.close()


def test_a_text_too_large_for_a_header_is_cut():
    error = as_flight_error(errors.PermissionDenied("ü" * 5000))
    assert len(str(error).encode()) <= 1024


def test_too_complex_a_statement_is_the_callers_to_change():
    error = as_flight_error(errors.LimitExceeded("too many terms", sqlstate="54001"))
    assert isinstance(error, ValueError)
