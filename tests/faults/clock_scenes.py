"""Every kind of change by SQL, beside a plain dict that says what must be there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from flight_server.access.sessions.session import Session
from storage.catalog.schema import TableDef
from storage.maintenance.compaction import compact_partition, plan_compaction
from storage.maintenance.flush import flush_partition
from storage.maintenance.retention import purge_step
from tests.support.in_process import House
from tests.support.storage_builders import never

TABLES: Final = {
    "shared": "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT) WITH (deleted_retention = '1h')",
    "kept": "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT) WITH (deleted_retention = '36500d')",
    "keyless": "CREATE TABLE t (id BIGINT, v BIGINT) WITH (deleted_retention = '1h')",
    "user": "CREATE USER TABLE t (id BIGINT PRIMARY KEY, v BIGINT) WITH (deleted_retention = '1h')",
    "temporary": "CREATE TEMP TABLE t (id BIGINT PRIMARY KEY, v BIGINT)",
}


class Scene:
    """One table and what it must hold: `rows` is key -> value."""

    def __init__(self, house: House, kind: str, seed: int, rows: dict[int, int] | None = None) -> None:
        self.house = house
        self.kind = kind
        self.engine = house.engine
        self.session: Session = house.enter()
        self.rows = {} if rows is None else rows
        self.random = random.Random(seed)
        if rows is None:
            self.do(TABLES[kind])
            self.do("INSERT INTO t VALUES " + ", ".join(f"({k}, 0)" for k in range(40)))
            self.rows = dict.fromkeys(range(40), 0)

    def do(self, sql: str) -> None:
        self.house.do(self.session, sql)

    def check(self) -> None:
        """Nothing lost, nothing doubled."""
        found = self.house.do(self.session, "SELECT id, v FROM t").to_pylist()
        assert sorted((row["id"], row["v"]) for row in found) == sorted(self.rows.items())

    def check_keys(self) -> None:
        """The key index says the same as the scan."""
        self.check()
        for key in (0, 39, 1000):
            found = self.house.do(self.session, f"SELECT v FROM t WHERE id = {key}").to_pylist()
            assert [row["v"] for row in found] == ([self.rows[key]] if key in self.rows else [])

    def change(self) -> None:
        """One statement of each kind, in a random order, then a transaction of several with savepoints."""
        deeds = [self.insert, self.update, self.delete, self.merge, self.truncate]
        if self.kind != "keyless":
            deeds.append(self.upsert)
        self.random.shuffle(deeds)
        for deed in deeds:
            deed()
            self.check()
        self.check_keys()
        if self.engine.settings.hot_statement_bytes_max == 1 and self.kind != "keyless":
            deeds.remove(self.upsert)  # the keys of a large statement's rows are looked at when the transaction commits
        self.transact(deeds)

    def transact(self, deeds: list[Callable[[], None]]) -> None:
        before = dict(self.rows)
        for end in ("ROLLBACK", "COMMIT"):
            self.do("BEGIN")
            self.random.choice(deeds)()
            self.update()
            self.do("SAVEPOINT here")
            kept = dict(self.rows)
            self.insert()
            self.delete()
            self.check()
            self.do("ROLLBACK TO SAVEPOINT here")
            self.rows = kept
            self.check()
            for deed in self.random.sample(deeds, 2):
                deed()  # these meet rows of their own transaction
                self.check()
            self.do(end)
            if end == "ROLLBACK":
                self.rows = dict(before)
            self.check()

    def insert(self) -> None:
        key = max(self.rows, default=0) + 1
        self.do(f"INSERT INTO t VALUES ({key}, 1), ({key + 1}, 1)")
        self.rows |= {key: 1, key + 1: 1}

    def update(self) -> None:
        self.do("UPDATE t SET v = v + 1 WHERE id % 3 = 0")
        self.rows = {k: v + (k % 3 == 0) for k, v in self.rows.items()}

    def delete(self) -> None:
        key = self.random.choice([*self.rows, 7])
        self.do(f"DELETE FROM t WHERE id = {key}")
        self.rows.pop(key, None)

    def upsert(self) -> None:
        self.do("INSERT INTO t VALUES (0, 50), (39, 50), (1000, 50) ON CONFLICT (id) DO UPDATE SET v = t.v + 1")
        self.rows |= {k: self.rows[k] + 1 if k in self.rows else 50 for k in (0, 39, 1000)}

    def merge(self) -> None:
        self.do(
            "MERGE INTO t USING (VALUES (1, 60), (2, 60), (2000, 60)) AS s(id, v) ON t.id = s.id "
            "WHEN MATCHED AND t.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v "
            "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"
        )
        gone = 2 in self.rows
        self.rows |= dict.fromkeys((1, 2, 2000), 60)
        if gone:
            del self.rows[2]

    def truncate(self) -> None:
        self.do("TRUNCATE t")
        self.do("INSERT INTO t SELECT value, value FROM range(30)")
        self.rows = {k: k for k in range(30)}

    def move(self) -> None:
        """Flush, purge, compact."""
        engine = self.engine
        for table in engine.state.catalog.tables.values():
            for owned, partition in [*engine.users.partitions_of(table)]:
                flush_partition(engine, owned, partition, never)
                self._purge(owned)
                found = engine.state.partition(owned.partition_id)
                now_ms = engine.time.settled().ageing_seq(found.deletes.oldest_commit)
                plan = plan_compaction(
                    owned, found, engine.settings, now_ms, purge_limit_seq=engine.purge_limit_seq(), force=True
                )
                if plan is not None:
                    compact_partition(engine, owned, found, plan, never)

    def _purge(self, owned: TableDef) -> None:
        while purge_step(self.engine, owned, owned.partition_id, never) is not None:
            pass
