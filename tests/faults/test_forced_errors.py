"""Every kind of call is made to fail with every kind of error: the client gets the status and one clean sentence.

What nobody foresaw is logged once, under an id that the client is told; what only the operator can mend is logged
once too. The calls fail at their fail points (`call.<rpc>`), over real gRPC: in this process every kind at every
point, in a process of its own some of them as an operator would see it.

Elsewhere: what ADBC and pyarrow read of errors that statements raise (tests/wire/test_errors.py), which error each
bad statement gets (tests/sql_end_to_end), commits and jobs that fail (the other files here).
"""

from __future__ import annotations

import gc
import inspect
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from storage import errors
from storage.failpoints import POINTS, VARIABLE, arm, disarm
from tests.support.flight_client import Client, wait_until
from tests.support.server_process import ServerProcess
from tests.wire.conftest import Running, start
from tests.wire.error_kinds import KINDS, command, is_clean
from tests.wire.log_ins import CALLS, basic, call_options

OURS = {
    **{name: (sqlstate, status) for name, (sqlstate, _, status) in KINDS.items()},
    "ClockRefused": ("58000", KINDS["StorageUnavailable"][2]),
    "Unauthenticated": ("28000", flight.FlightUnauthenticatedError),
    "FrostlineError": ("XX000", flight.FlightInternalError),
}
FOREIGN = (
    ValueError("in /srv/secret/path.py"),  # these three have a status of their own in Flight
    KeyError("in /srv/secret/path.py"),
    NotImplementedError("in /srv/secret/path.py"),
    TypeError("in /srv/secret/path.py"),
    FileNotFoundError(2, "No such file or directory", "/srv/secret/path.py"),
    MemoryError(),
    StopIteration("in /srv/secret/path.py"),
    RecursionError("in /srv/secret/path.py"),
    AssertionError(),
    KeyboardInterrupt(),
    SystemExit(3),
    pa.ArrowInvalid("in /srv/secret/path.py"),
    flight.FlightInternalError("in /srv/secret/path.py"),
    flight.FlightUnavailableError("in /srv/secret/path.py"),
)
FORCED = "the forced sentence names 'thing'"
REFERENCE = re.compile(r"\[XX000\] internal error, reference (\w{12}); the server's log has the details")


def _rows(client: flight.FlightClient, options: flight.FlightCallOptions, sql: str = "ROWS 1") -> object:
    [endpoint] = client.get_flight_info(command(sql), options).endpoints
    return [chunk.data for chunk in client.do_get(endpoint.ticket, options)]


def _handshake(client: flight.FlightClient, _: flight.FlightCallOptions) -> object:
    return client.authenticate_basic_token("root", "secret")


BY_POINT: dict[str, Callable[[flight.FlightClient, flight.FlightCallOptions], object]] = {
    "call.handshake": _handshake,
    "call.rows": _rows,
    **{f"call.{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).lower()}": call for name, call in CALLS.items()},
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = start()
    yield server
    server.service.shut_down(0)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


@pytest.fixture(autouse=True)
def _no_interrupts() -> Iterator[None]:
    """pyarrow's client takes the status CANCELLED for Ctrl-C, and interrupts the main thread."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def told(server: Running, point: str, error: BaseException) -> Exception:
    """What the client of the call at `point` is told when `error` is raised there."""

    def act() -> None:
        raise error

    arm(point, act)
    server.log.entries.clear()
    options = call_options(basic("root", "secret"))
    with flight.connect(server.uri) as client, pytest.raises(Exception, match=r"^(Unknown error: )?\[") as caught:
        BY_POINT[point](client, options)
    return caught.value


# By what a real server is told in its environment: the point and the kind of error.
FAILING = {
    "call.handshake": "OSError",
    "call.list_flights": "ValueError",
    "call.get_schema": "KeyError",
    "call.rows": "AssertionError",
    "call.do_put": "StorageUnavailable",
    "call.do_exchange": "Corruption",
    "call.do_action": "NotImplementedError",
    "call.list_actions": "Conflict",
}


def sentence(error: Exception) -> str:
    """What pyarrow's client adds taken off: kinds and its own view of the status."""
    text = str(error).removeprefix("Unknown error: ")
    return re.sub(r"\. Detail: (?:Python exception: |\w+)\s*", "", text).partition(". gRPC client debug context")[0]


def test_every_kind_of_call_has_a_point_and_every_kind_of_error_a_status():
    kinds = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert kinds == set(OURS)
    assert {point for point in POINTS if point.startswith("call.")} == set(BY_POINT)


@pytest.mark.parametrize("point", BY_POINT)
@pytest.mark.parametrize("kind", OURS)
def test_an_error_of_ours_arrives_as_its_status_and_one_sentence(running: Running, point: str, kind: str):
    sqlstate, status = OURS[kind]
    error = told(running, point, getattr(errors, kind)(FORCED))
    assert sentence(error) == f"[{sqlstate}] {FORCED}"
    assert is_clean(str(error).replace("Detail: Python", ""))
    if point != "call.get_schema":  # which can't send all of them, see flight_server/wire/errors.py
        assert isinstance(error, status)
    logged = [entry["kind"] for entry in running.log.entries if entry["log_level"] == "error"]
    assert logged == ([kind] if kind in ("ClockRefused", "Corruption", "StorageUnavailable") else [])


@pytest.mark.parametrize("point", BY_POINT)
@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_what_nobody_foresaw_is_told_as_an_id_and_logged_once(running: Running, point: str, error: BaseException):
    seen = told(running, point, error)
    found = REFERENCE.fullmatch(sentence(seen))
    assert found, str(seen)
    assert is_clean(str(seen).replace("Detail: Python", ""))
    assert isinstance(seen, flight.FlightInternalError) or point == "call.get_schema"
    [entry] = [entry for entry in running.log.entries if entry["log_level"] == "error"]
    assert entry["reference"] == found[1]
    assert entry["error"] == repr(error) or isinstance(error, StopIteration)  # which a generator can't pass on
    assert Path(__file__).name in entry["frames"]


def test_a_call_that_failed_leaves_nothing_behind(running: Running):
    for point in BY_POINT:
        told(running, point, ZeroDivisionError())
    disarm()
    assert running.service.calls_running == 0
    assert Client(running).fetch(Client(running).query("ROWS 3")).num_rows == 3
    assert [session.calls for session in running.sessions] == [0] * len(list(running.sessions))


def test_a_server_of_its_own_tells_its_log_and_not_its_clients(tmp_path: Path):
    environment = {VARIABLE: ",".join(f"{point}:error={kind}" for point, kind in FAILING.items())}
    options = call_options(basic("root", "secret"))
    calls = {**BY_POINT, "call.rows": lambda c, o: _rows(c, o, "SELECT * FROM generate_series(1, 300000)")}
    seen: dict[str, str] = {}
    with ServerProcess(tmp_path / "data", root_password="secret", environment=environment) as server:
        for point, kind in FAILING.items():
            with flight.connect(server.uri) as client, pytest.raises(Exception, match=r"\[[0-9A-Z]{5}\]") as caught:
                calls[point](client, options)
            assert is_clean(str(caught.value).replace("Detail: Python", ""))
            seen[kind] = sentence(caught.value)
        assert server.stop() == 0
    logged = [event for event in server.events if event["level"] == "error"]
    assert len(logged) == len(seen) - 1  # a conflict is the client's to mend
    for kind, text in seen.items():
        if kind in OURS:
            assert text == f"[{OURS[kind][0]}] a fail point asked for this {kind}"
            assert [event["kind"] for event in logged if "kind" in event].count(kind) == (kind != "Conflict")
        else:
            found = REFERENCE.fullmatch(text)
            assert found, text
            [event] = [event for event in logged if event.get("reference") == found[1]]
            assert f"asked for this {kind} in" in event["frames"]


@pytest.mark.parametrize("text", ["call.nothing:error", "call.do_get:explode", "call.do_get:error=Nonsense"])
def test_a_point_that_is_not_there_stops_the_start(text: str, tmp_path: Path):
    """Or a test of it would test nothing."""
    server = ServerProcess(tmp_path / "data", environment={VARIABLE: text})
    server.start()
    try:
        assert server.wait() == 2
        assert "fail point" in server.stderr[-1]
    finally:
        server.end()


@pytest.mark.parametrize("point", BY_POINT)
@pytest.mark.parametrize("error", [errors.Conflict(FORCED), ZeroDivisionError()], ids=["ours", "foreign"])
def test_an_error_lets_go_of_all_that_its_call_held(running: Running, point: str, error: Exception):
    """At once, not when Python next looks for rings of objects: a refused upload may hold a lot."""
    told(running, point, error)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        told(running, point, error)
        wait_until(lambda: running.service.calls_running == 0)
        gc.collect()
        frames = {each.f_code.co_qualname for each in gc.garbage if isinstance(each, FrameType)}
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()
    assert {name for name in frames if name.startswith(("FlightService", "Gate", "flight_errors"))} == set()
