"""A statement with one very long name, text, number or blank takes time by its length, not by the square of it.

A pattern that tries each beginning again takes its square, and holds up every other statement meanwhile: with a
megabyte for hours. So each form is run with a piece of one length and of four times that length, and the processor
time of the two is compared.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from flight_server.access.sessions.session import Session
from storage.errors import FrostlineError
from tests.support.in_process import House, house
from tests.support.plan_words import PLAN_WORDS

CHARACTERS = 5_000
TIMES = 4
TIMES_MAX = 10  # as long; the square would be 16
SECONDS_MIN = 0.015  # in less there is nothing to be compared
IN_NAMES = ("x", " ", ".", "1", "_", "x.", "a ", "(", "'", "é", '""', ",", "\\", "AS ", "-")
IN_TEXTS = ("x", " ", "\\", "''", "%", "1", "-", "(", "://", "{", "a@", "?a=", "pass", "é", "\n", "$", "YY", "1 ", ":")
WORDS = ("x", "x(", "a b ", "- ", "$1 ", "a,")
BLANKS = (" ", "\n", "\t", "/**/", "--\n", "-- x\n")
NAMES = (
    "SELECT {} FROM public.items",
    "SELECT public.items.{} FROM public.items",
    "SELECT items.{} FROM items",
    "SELECT {}.id FROM public.items",
    "SELECT id AS {} FROM public.items ORDER BY 1",
    "SELECT * FROM {}",
    "SELECT * FROM public.{}",
    "SELECT * FROM public.items AS {} WHERE public.items.id = 1",
    "WITH {} AS (SELECT 1 AS a) SELECT public.items.id FROM public.items",
    "INSERT INTO {} VALUES (1)",
    "INSERT INTO items ({}) VALUES (1)",
    "UPDATE items SET {} = 1",
    "DELETE FROM items WHERE {} = 1",
    "CREATE TABLE {} (a INT)",
    "CREATE TABLE made (a INT, {} INT)",
    "DROP TABLE IF EXISTS {}",
    "SUBSCRIBE TO SELECT {} FROM items",
    "SHOW COLUMNS FROM {}",
    "DESCRIBE {}",
    "SELECT {}(1)",
)
TEXTS = (
    "SELECT {} AS a",
    "SELECT public.items.id FROM public.items WHERE name = {}",
    "SELECT name FROM items WHERE id = {}",
    "SELECT CAST({} AS INT)",
    "SELECT CAST({} AS TIMESTAMP), CAST({} AS DATE)",
    "SELECT DATE {}",
    "SELECT TIMESTAMP {}",
    "SELECT INTERVAL {}",
    "SELECT name LIKE {} FROM items",
    "SELECT to_char(now(), {})",
    "SELECT 1 FROM items FOR SYSTEM_TIME AS OF {}",
    "INSERT INTO items VALUES (1, {}) ON CONFLICT (id) DO NOTHING",
    "INSERT INTO items VALUES ({}, 'a')",
    "UPDATE items SET name = {} WHERE id = -1",
    "COMMENT ON TABLE items IS {}",
    "SET time_zone = {}",
    "KILL QUERY {}",
    "CREATE USER {}",
    "CREATE USER ann PASSWORD {}",
    "CREATE STORAGE s TYPE 'filesystem' URI {}",
    "CREATE STORAGE s TYPE 's3' URI 's3://b' CREDENTIALS {}",
    "GRANT SELECT ON items TO {}",
    "CREATE TABLE made (a INT) WITH (storage = {})",
    "EXECUTE AS USER {} (SELECT 1)",
    "SHOW BACKUP {}",
)
ANYWHERE = (
    "{}",
    "SELECT {}",
    "SELECT id FROM items WHERE {}",
    "SELECT id FROM public.items ORDER BY {}",
    "INSERT INTO items VALUES ({})",
    "CREATE TABLE made ({})",
    "CREATE {}",
    "SET {}",
    "ALTER USER {}",
)
BETWEEN = (
    "SELECT{}id FROM public.items WHERE id = 1",
    "SELECT id FROM{}items WHERE id{}= 1",
    "INSERT INTO items{}VALUES (1, 'a') ON CONFLICT (id) DO NOTHING",
    "INSERT INTO items VALUES (1,{}'a') ON CONFLICT (id) DO NOTHING",
    "{}SELECT 1",
    "SELECT 1{}",
    "CREATE TABLE{}IF NOT EXISTS items (id BIGINT)",
    "SELECT TIMESTAMP{}'2026-01-01 00:00:00'",
    "SELECT now{}()",
    "SELECT current_user{}()",
    "USE{}public",
    "INSERT INTO priced VALUES (-{}x)",
    "CREATE TABLE made (a INT DEFAULT now{}x)",
)


PLANNED = (
    "SELECT max(id) OVER (PARTITION BY {} ORDER BY id) FROM items ORDER BY {}, CASE WHEN id / 2 > 1 THEN {} END",
    "SELECT sum(CAST(id AS DOUBLE)) FROM items WHERE name = {} AND EXISTS (SELECT 1 FROM items i WHERE i.name = {})",
)
FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(NAMES, (IN_NAMES, '"')),
    **dict.fromkeys(TEXTS, (IN_TEXTS, "'")),
    **dict.fromkeys(ANYWHERE, (WORDS, "")),
    **dict.fromkeys(BETWEEN, (BLANKS, "")),
    **dict.fromkeys(PLANNED, (PLAN_WORDS, "'")),
}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Session]]:
    with house(tmp_path_factory.mktemp("long")) as home:
        session = home.enter()
        home.do(session, "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR)")
        home.do(session, "INSERT INTO items VALUES (1, 'a'); CREATE TABLE priced (price DECIMAL(9, 2))")
        yield home, session


def repeated(piece: str, times: int) -> str:
    """With a number in place of each `#`, and of quotes two."""
    if piece not in PLAN_WORDS:
        return piece * times
    return "".join(piece.replace("#", str(number)) for number in range(times)).replace("'", "''")


def processor_seconds(home: House, session: Session, sql: str) -> float:
    """Of this thread alone: what the engine does on its own holds up nobody."""
    before = time.thread_time()
    with suppress(FrostlineError):
        home.do(session, sql)
    after = time.thread_time()
    with suppress(FrostlineError):
        home.do(session, "DROP TABLE IF EXISTS made")
    return after - before


@pytest.mark.parametrize("form", FORMS)
def test_a_long_piece_takes_time_by_its_length(at: tuple[House, Session], form: str) -> None:
    home, session = at
    pieces, around = FORMS[form]
    for piece in pieces:
        short, long = (
            form.replace("{}", f"{around}{repeated(piece, characters // len(piece))}{around}")
            for characters in (CHARACTERS, CHARACTERS * TIMES)
        )
        for _ in range(3):  # what else the process does may fall into one of them
            allowed = TIMES_MAX * max(SECONDS_MIN, processor_seconds(home, session, short))
            taken = processor_seconds(home, session, long)
            if taken <= allowed:
                break
        assert taken <= allowed, f"with {piece!r} repeated"
