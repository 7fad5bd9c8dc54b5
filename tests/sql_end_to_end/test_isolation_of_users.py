"""No answer to one user, and no error, plan or figure, has anything of another user's rows in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sql_end_to_end.marked import OWN_TABLES, ROLES, STATEMENTS, Marked, Marks, bytes_of
from tests.support.listener import Listener, listen
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

CONF = "[storage]\nuser_partitions_max = 5\n"  # for four users with two tables: always on the way in or out


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marks]:
    folder = tmp_path_factory.mktemp("marked")
    (folder / "conf.toml").write_text(CONF)
    with ServerProcess(folder / "data", "--config", str(folder / "conf.toml")) as process, Marks(process) as marks:
        for user in marks.users:
            for table in OWN_TABLES:
                rows = ", ".join(f"({key}, '{user.text}', {user.number})" for key in (1, 2, 3))
                user.client.do(f"INSERT INTO {table} VALUES {rows}")
        yield marks


TURNS = st.lists(st.tuples(st.integers(0, len(ROLES) - 1), STATEMENTS), min_size=10, max_size=40)


# Not shrunk: what one run stored is there in the next one.
@settings(max_examples=14, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(turns=TURNS)
def test_nobody_ever_sees_anything_of_anothers_rows(marks: Marks, turns: list[tuple[int, tuple[str, Any]]]) -> None:
    before = [user.saw_own for user in marks.users]
    for who, statement in turns:
        marks.run(marks.users[who], statement)
    for user in marks.users:
        with suppress(Refused):  # there was no transaction
            user.client.do("ROLLBACK")
        marks.run(user, ("sql", "INSERT INTO notes VALUES (99, <TEXT>, <NUMBER>) ON CONFLICT DO NOTHING"))
        marks.run(user, ("sql", "SELECT * FROM notes"))
    # The search finds what is there: everybody's own mark.
    assert all(user.saw_own > was for user, was in zip(marks.users, before, strict=True))


TEXTS = (
    "SELECT * FROM notes WHERE id = 1",
    "SELECT t, count(*) AS c FROM notes GROUP BY t ORDER BY t",
    "SELECT s.t, w.t AS w FROM seen s JOIN words w ON s.id = w.id ORDER BY 2",
    "WITH c AS (SELECT * FROM things) SELECT max(t) AS m FROM c",
    "SELECT max FROM system.column_stats WHERE \"table\" = 'things' AND \"column\" = 't'",
    "SELECT CAST(t AS BIGINT) AS x FROM notes",
)


def test_the_very_same_texts_at_the_same_time_answer_each_user_for_themselves(marks: Marks) -> None:
    """Plans are kept by text: whoever asks must get the plan over their own rows."""
    for table in OWN_TABLES:
        marks.root.flush(table)
    wanted = {user.name: [answer(user, user.client, text) for text in TEXTS] for user in marks.users}
    start, wrong = threading.Barrier(2 * len(marks.users)), list[str]()

    def ask(user: Marked, client: Client) -> None:
        start.wait(60)
        for turn in range(12):
            for at, text in enumerate(TEXTS):
                try:
                    found = answer(user, client, text)
                    if found != wanted[user.name][at]:
                        wrong.append(f"{user.name}: {text}: {found!r}")
                except Exception as error:
                    wrong.append(f"{user.name}: {text}: {error!r}")
            if turn % 4 == 0:
                client.do("UPDATE things SET n = n WHERE id = 1")  # another state: all plans go

    threads = [
        threading.Thread(target=ask, args=(user, marks.connect(user.name))) for user in marks.users for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong, wrong[:3]
    assert len({str(found) for found in wanted.values()}) == len(marks.users)


def answer(user: Marked, client: Client, text: str) -> str:
    try:
        return str(client.rows(text))
    except Refused as refused:
        return f"{refused.sqlstate} {refused.message}"


def has_told(live: Listener, key: int) -> bool:
    return any(row["id"] == key for row in live.rows)


def test_subscribers_hear_of_their_own_rows_only(marks: Marks) -> None:
    sql = f"SUBSCRIBE TO SELECT id, t, n FROM {marks.namespace}.notes"
    una, udo = marks.users[0], marks.users[1]
    for user in marks.users:
        user.client.do("DELETE FROM notes WHERE id >= 100")
    with (
        listen(marks.server, sql, user=una.name, password=una.name) as first,
        listen(marks.server, sql, user=udo.name, password=udo.name) as second,
    ):
        for key in range(100, 110):
            for user in marks.users:
                user.client.do(f"INSERT INTO notes VALUES ({key}, '{user.text}', {user.number})")
        for user, live in ((una, first), (udo, second)):
            live.until(partial(has_told, live, 109))
            assert [row["id"] for row in live.rows if row["id"] >= 100] == list(range(100, 110))
            marks.check(user, str(live.all), "a subscription")


def test_a_mark_is_found_where_there_is_one(marks: Marks) -> None:
    """The search itself: in rows, in plans and in errors."""
    una, udo = marks.users[:2]
    for sql in ("SELECT t FROM notes", "SELECT n FROM notes", "SELECT upper(t) AS u FROM notes"):
        with pytest.raises(AssertionError, match="una sees udo"):
            marks.check(una, udo.client.table(sql), sql)
    with pytest.raises(AssertionError, match="una sees udo"):
        marks.check(una, str(udo.client.refusal("SELECT CAST(t AS BIGINT) AS x FROM notes")), "an error")
    assert bytes_of("Ä") == "ä".encode()
