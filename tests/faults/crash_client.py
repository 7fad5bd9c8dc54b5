"""One client of the crash test, a process of its own: random changes until the server is gone.

Each client owns its keys, so what they must hold follows from its history alone. A line is written to the history
before a change is sent ("try") and after it was acknowledged ("ok"): a change without "ok" is pending, and after a
crash it must be there whole or not at all.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

KEYS_OF_A_CLIENT = 40
STATEMENT_KEYS_MAX = 6


def run(uri: str, password: str, seed: int, client: int, history: Path, present: dict[int, int]) -> None:
    """Change things until a call fails. `present`: this client's keys and values as they are now."""
    from adbc_driver_flightsql import dbapi

    chance = random.Random(seed)
    keys = [client * 1000 + n for n in range(KEYS_OF_A_CLIENT)]
    connection = dbapi.connect(uri, db_kwargs={"username": "root", "password": password}, autocommit=True)
    cursor = connection.cursor()
    with history.open("a") as out:
        number = seed * 1_000_000
        while True:
            number += 1
            act = chance.choice((_upsert, _upsert, _update, _delete, _append, _load, _move))
            act(cursor, chance, out, keys, present, number)


def _write(out: TextIO, kind: str, number: int, change: dict[str, Any] | None = None) -> None:
    out.write(json.dumps({"kind": kind, "number": number, "change": change}) + "\n")
    out.flush()


def _chosen(chance: random.Random, keys: list[int]) -> list[int]:
    return chance.sample(keys, chance.randint(1, STATEMENT_KEYS_MAX))


def _change_keys(
    cursor: Any, out: TextIO, number: int, sql: str, after: dict[int, int | None], now: dict[int, int]
) -> None:
    _write(out, "try", number, {"keys": after})
    cursor.execute(sql)
    _write(out, "ok", number)
    for key, value in after.items():
        now.pop(key, None) if value is None else now.__setitem__(key, value)


def _upsert(cursor: Any, chance: random.Random, out: TextIO, keys: list[int], now: dict[int, int], number: int) -> None:
    chosen = _chosen(chance, keys)
    rows = ", ".join(f"({key}, {number}, 'n{number}')" for key in chosen)
    sql = f"INSERT INTO kv VALUES {rows} ON CONFLICT (id) DO UPDATE SET v = excluded.v, note = excluded.note"
    _change_keys(cursor, out, number, sql, dict.fromkeys(chosen, number), now)


def _update(cursor: Any, chance: random.Random, out: TextIO, keys: list[int], now: dict[int, int], number: int) -> None:
    chosen = _chosen(chance, keys)
    sql = f"UPDATE kv SET v = {number} WHERE id IN ({', '.join(map(str, chosen))})"
    _change_keys(cursor, out, number, sql, {key: number for key in chosen if key in now}, now)


def _delete(cursor: Any, chance: random.Random, out: TextIO, keys: list[int], now: dict[int, int], number: int) -> None:
    chosen = _chosen(chance, keys)
    sql = f"DELETE FROM kv WHERE id IN ({', '.join(map(str, chosen))})"
    _change_keys(cursor, out, number, sql, dict.fromkeys(chosen, None), now)


def _append(cursor: Any, chance: random.Random, out: TextIO, _: list[int], __: dict[int, int], number: int) -> None:
    rows = chance.randint(1, 5)
    _write(out, "try", number, {"events": rows})
    cursor.execute("INSERT INTO events VALUES " + ", ".join(f"({number}, {row})" for row in range(rows)))
    _write(out, "ok", number)


def _load(cursor: Any, chance: random.Random, out: TextIO, _: list[int], __: dict[int, int], number: int) -> None:
    rows = chance.choice((10, 1000, 20_000))  # the largest goes straight to Parquet under the test's settings
    _write(out, "try", number, {"events": rows})
    table = pa.table({"number": pa.array([number] * rows, pa.int64()), "row": pa.array(range(rows), pa.int64())})
    cursor.adbc_ingest("events", table, mode="append")
    _write(out, "ok", number)


def _move(cursor: Any, chance: random.Random, _: TextIO, __: list[int], ___: dict[int, int], ____: int) -> None:
    cursor.execute(f"{chance.choice(('FLUSH', 'COMPACT'))} TABLE {chance.choice(('kv', 'events'))}")
    cursor.fetchall()


if __name__ == "__main__":
    uri, password, seed, client, history, present = sys.argv[1:]
    held = {int(key): value for key, value in json.loads(present).items()}
    run(uri, password, int(seed), int(client), Path(history), held)
