"""S3 that fails, breaks off, is late or not there: uploads get through or leave the rows hot, others go on."""

from __future__ import annotations

import os

import msgspec
import pyarrow as pa
import pytest

from flight_server.query import QueryEngine
from storage.cold.folder_store import PROBE
from storage.errors import StorageUnavailable
from storage.maintenance.sweep import sweep
from tests.faults.s3_proxy import PASS, Fault, objects_only
from tests.storage.s3_furniture import S3_SETTINGS, Cloud, ask, cold_table
from tests.support.storage_builders import (
    flush,
    insert,
    make_table,
    partition,
    values,
    verify_cold_files,
)

PASSING = {
    "500 once": Fault(status=500),
    "503 SlowDown once": Fault(status=503),
    "reset in the middle of the upload": Fault(cut_upload=1000),
    "reset at once": Fault(cut_upload=0),
    "done, but the answer is lost": Fault(lost=True),
}


@pytest.mark.parametrize("name", PASSING)
def test_an_upload_gets_through(here: Cloud, name: str):
    here.engine.file_stores.get("cloud").probe()
    here.proxy.first(1, PASSING[name], "PUT")
    table = cold_table(here, rows=200)
    here.proxy.heal()
    [file] = partition(here.engine, table).cold
    assert here.keys == {here.key(file)}
    assert verify_cold_files(here.engine) == 1
    assert values(here.engine, table) == list(range(200))


def test_the_answer_to_the_end_of_an_upload_in_parts_may_be_lost(here: Cloud):
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, storage="cloud", compression="none", columns={"k": pa.int64(), "v": pa.binary()})
    insert(here.engine, table, (1, os.urandom(11 << 20)))
    done: list[bool] = []

    def lose_the_end(method: str, path: str) -> Fault:
        if method == "POST" and "uploadId=" in path and not done:
            done.append(True)
            return Fault(lost=True)
        return PASS

    here.proxy.fault = lose_the_end
    flush(here.engine, table)
    assert done
    assert verify_cold_files(here.engine) == 1


FAILING = {
    "timeout": (Fault(stall=True), "can't be reached"),
    "500 for ever": (Fault(status=500), "answers 500"),
    "503 for ever": (Fault(status=503), "slow down"),
    "403": (Fault(status=403), "access is denied"),
    "reset for ever": (Fault(cut_upload=0), "can't be reached"),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_upload_that_does_not_get_through_leaves_the_rows_hot(here: Cloud, name: str):
    fault, said = FAILING[name]
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, key=("k",), storage="cloud")
    insert(here.engine, table, *((n, "x") for n in range(100)))
    calls = here.proxy.seen["PUT"]
    here.proxy.fault = lambda method, path: fault if method == "PUT" and objects_only(path) else PASS
    with pytest.raises(StorageUnavailable, match=said):
        flush(here.engine, table)
    tries = here.proxy.seen["PUT"] - calls
    assert tries == (1 if name == "403" else S3_SETTINGS.s3_attempts_max)
    assert here.engine.health == "ok"
    here.proxy.heal()
    assert here.keys == set()
    assert not here.engine.file_stores.is_writing("cloud")
    assert values(here.engine, table) == list(range(100))
    flush(here.engine, table)
    assert verify_cold_files(here.engine) == 1


def test_a_flush_to_an_unreachable_storage_ends_before_it_writes_anything(here: Cloud):
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, storage="cloud")
    insert(here.engine, table, (1, "x"))
    calls = here.proxy.seen["PUT"]
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match="access is denied"):
        flush(here.engine, table)
    assert here.proxy.seen["PUT"] == calls
    assert values(here.engine, table) == [1]


def test_a_wrong_etag_in_the_answers_harms_nothing(here: Cloud, queries: QueryEngine):
    here.proxy.always(Fault(wrong_etag=True))
    cold_table(here)
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]
    here.proxy.heal()
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_an_answer_that_breaks_off_is_taken_up_again(here: Cloud):
    table = cold_table(here, rows=3000)
    [file] = partition(here.engine, table).cold
    here.proxy.first(1, Fault(cut_answer=file.bytes // 2), "GET")
    assert verify_cold_files(here.engine) == 1
    here.proxy.always(Fault(cut_answer=file.bytes // 8))
    with pytest.raises(StorageUnavailable):
        verify_cold_files(here.engine)


def test_slow_pieces_and_late_answers_are_waited_for(here: Cloud, queries: QueryEngine):
    here.proxy.always(Fault(delay_seconds=0.02, piece_bytes=1500))
    table = cold_table(here, rows=1000)
    assert verify_cold_files(here.engine) == 1
    assert ask(queries, here, "SELECT count(*), sum(k) FROM t") == [(1000, 499500)]
    assert values(here.engine, table) == list(range(1000))


def test_a_query_of_an_unreachable_storage_says_so_and_others_go_on(here: Cloud, queries: QueryEngine):
    cold_table(here)
    local = make_table(here.engine, "near")
    insert(here.engine, local, (1, "x"))
    flush(here.engine, local)
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match="storage 'cloud' refused"):
        ask(queries, here, "SELECT count(*) FROM t")
    assert ask(queries, here, "SELECT count(*) FROM near") == [(1,)]
    with pytest.raises(StorageUnavailable):
        sweep(here.engine)
    here.proxy.heal()
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_a_probe_tells_what_is_wrong(here: Cloud):
    place = here.engine.file_stores.get("cloud")
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match=r"access is denied \(403\); check its credentials"):
        place.probe()
    here.proxy.heal()
    here.alter(lambda storage: msgspec.structs.replace(storage, uri="s3://no-such-bucket-at-all/x"))
    with pytest.raises(StorageUnavailable, match=r"no such bucket|access is denied"):
        here.engine.file_stores.get("cloud").probe()
    assert not any(PROBE in key for key in here.keys)


def test_calls_and_errors_are_counted(here: Cloud):
    here.proxy.first(1, Fault(status=500), "PUT")
    cold_table(here)
    counts = {count.name: numbers for count, numbers in here.engine.counters.now().items()}
    assert counts["s3_calls"]["PutObject"] >= 2
    assert counts["s3_errors"] == {"PutObject": 1}
