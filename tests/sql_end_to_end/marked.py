"""Users whose rows carry a mark of their own, statements from a grammar, and the search for marks of others.

A mark is a text and a number that nobody else has. It is looked for in every byte of what a user gets: rows, schemas,
errors, plans, figures.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
from hypothesis import strategies as st

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

ROLES: Final = {"una": "user", "udo": "user", "sid": "service", "dan": "dba"}
OWN_TABLES: Final = ("notes", "things")


class Marked:
    """One user: their connection, their mark."""

    def __init__(self, name: str, client: Client, number: int) -> None:
        self.name = name
        self.client = client
        self.text = f"MARK{number * 7_654_321:x}OF{name}"
        self.number = 918_273_640_000 + number * 1_000_003  # so far from others' that `n + id` is none of them
        self.saw_own = 0

    @property
    def signs(self) -> tuple[bytes, ...]:
        """How the mark may look, in lower case: as text, as digits, as eight bytes."""
        return self.text.lower().encode(), str(self.number).encode(), self.number.to_bytes(8, "little")


class Marks:
    """All users, on one server. Use as a context manager."""

    def __init__(self, server: ServerProcess, namespace: str = "marked") -> None:
        self._stack = ExitStack()
        self.server = server
        self.namespace = namespace
        self.root = Client(self._stack.enter_context(server.connect()), namespace)
        self.root.do(f"CREATE NAMESPACE {namespace}; USE {namespace}")
        for name, role in ROLES.items():
            self.root.do(f"CREATE USER '{name}' WITH PASSWORD '{name}' ROLE {role}")
        self._define()
        self.users = [Marked(name, self.connect(name), at + 1) for at, name in enumerate(ROLES)]

    def _define(self) -> None:
        for table in OWN_TABLES:
            self.root.do(f"CREATE USER TABLE {table} (id INT PRIMARY KEY, t TEXT, n BIGINT)")
        self.root.do(
            "CREATE TABLE words (id INT, t TEXT, n BIGINT) WITH (access_level = 'public'); "
            "INSERT INTO words VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3); "
            "CREATE STREAM TABLE events (id INT, t TEXT, n BIGINT) WITH (retention = '1d'); "
            "INSERT INTO events VALUES (1, 'first', 1), (2, 'second', 2); "
            "CREATE VIEW seen AS SELECT id, t, n FROM notes; "
            "CREATE VIEW joined AS SELECT a.id, a.t, b.n FROM notes a JOIN things b ON a.id = b.id; "
            f"GRANT SELECT ON seen TO {', '.join(ROLES)}; GRANT SELECT ON joined TO {', '.join(ROLES)}"
        )

    def connect(self, name: str) -> Client:
        client = Client(self._stack.enter_context(self.server.connect(user=name, password=name)), self.namespace)
        client.do(f"USE {self.namespace}")
        return client

    def __enter__(self) -> Marks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def check(self, user: Marked, answer: pa.Table | str, about: object) -> None:
        """Fails when the answer has anybody else's mark."""
        found = bytes_of(answer)
        for other in self.users:
            if other is user:
                user.saw_own += any(sign in found for sign in user.signs)
                continue
            assert not any(sign in found for sign in other.signs), f"{user.name} sees {other.name}: {about}: {answer}"

    def run(self, user: Marked, statement: tuple[str, Any]) -> None:
        """One statement of the grammar, its answer or its refusal searched."""
        kind, what = statement
        try:
            answer: pa.Table | str = self._answer(user, kind, what)
        except Refused as refused:
            answer = str(refused)
        self.check(user, answer, what)

    def _answer(self, user: Marked, kind: str, what: Any) -> pa.Table | str:
        client = user.client
        match kind:
            case "sql":
                return client.table(filled(what, user))
            case "bound":
                return client.table(what[0], [user.text if value == "TEXT" else value for value in what[1]])
            case "many":
                rows = [(key, user.text, user.number) for key in what]
                return str(client.do_many("INSERT INTO notes VALUES (?, ?, ?)", rows))
            case "ingest":
                table, third = what
                values = pa.array([user.text if third else str(user.number)] * 2)
                keys = pa.array([31, 32], pa.int32())
                rows = pa.table({"id": keys, "t": [user.text] * 2, "n": values})
                return str(client.ingest(table, rows, mode="append"))
            case "objects":
                found = client.connection.adbc_get_objects(depth="all", db_schema_filter=self.namespace).read_all()
                return str(found.to_pylist())
            case "move":
                getattr(self.root, what[0])(what[1])
                return ""
            case _:
                return self.root.table(what)  # of whom nothing is looked for but what all may see


def bytes_of(answer: pa.Table | str) -> bytes:
    """All there is to see of it, in lower case."""
    if isinstance(answer, str):
        return answer.lower().encode()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, answer.schema) as writer:
        writer.write_table(answer)
    return sink.getvalue().to_pybytes().lower() + str(answer.to_pylist()).lower().encode()


def filled(sql: str, user: Marked) -> str:
    return sql.replace("<TEXT>", f"'{user.text}'").replace("<NUMBER>", str(user.number))


# --- the grammar -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(("notes", "things", "words", "seen", "joined", "events"))
OWN = st.sampled_from(OWN_TABLES)
KEYS = st.integers(1, 8)
VALUES = st.sampled_from(
    (
        *("t", "n", "id", "t || '!'", "n + id", "upper(t)", "lower(t)", "length(t)", "concat(t, n)", "to_hex(n)"),
        *("CAST(t AS BIGINT)", "CAST(t AS DATE)", "CAST(n AS SMALLINT)", "CAST(t AS BOOLEAN)", "1 / (n - n)"),
        *("(SELECT max(t) FROM notes)", "(SELECT min(n) FROM things)", "arrow_cast(t, 'Int8')", "t::UUID"),
    )
)
TOTALS = st.sampled_from(
    ("count(*)", "min(t)", "max(t)", "max(n)", "sum(id)", "string_agg(t, ',')", "array_agg(n)", "count(DISTINCT t)")
)
CONDITIONS = st.sampled_from(
    (
        *("id = 1", "id > 2", "t = <TEXT>", "n = <NUMBER>", "t LIKE 'MARK%'", "n > 0", "t > 'A'", "id IS NOT NULL"),
        *("id IN (SELECT id FROM things)", "EXISTS (SELECT 1 FROM notes x WHERE x.t > 'M')", "n BETWEEN 1 AND 5"),
        *("t <> (SELECT max(t) FROM notes)", "CAST(t AS BIGINT) > 0", "true"),
    )
)


@st.composite
def sources(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    form = draw(
        st.sampled_from(("{0}", "{0} AS s", "(SELECT id, t, n FROM {0} WHERE {1}) AS s", "{0} NATURAL JOIN {2}"))
    )
    return form.format(name, draw(CONDITIONS), draw(NAMES))


@st.composite
def queries(draw: st.DrawFn) -> str:
    source, condition, value, total = draw(sources()), draw(CONDITIONS), draw(VALUES), draw(TOTALS)
    form = draw(
        st.sampled_from(
            (
                "SELECT * FROM {0} WHERE {1} LIMIT 20",
                "SELECT id, {2} AS v FROM {0} WHERE {1} ORDER BY 1 LIMIT 20",
                "SELECT {3} AS v FROM {0} WHERE {1}",
                "SELECT {2} AS g, {3} AS v FROM {0} GROUP BY 1 ORDER BY 1 LIMIT 20",
                "WITH c AS (SELECT id, t, n FROM {0}) SELECT {2} AS v FROM c WHERE {1} LIMIT 20",
                "SELECT a.t, b.t AS u FROM (SELECT id, t FROM {0}) a JOIN {4} b ON a.id = b.id LIMIT 20",
                "SELECT a.t, b.t AS u FROM {4} a LEFT JOIN words b ON a.id = b.id UNION SELECT t, t AS u FROM {5}",
                "SELECT t, rank() OVER (ORDER BY n) AS r FROM {0} LIMIT 20",
                "SELECT id, t, _deleted FROM {4} WHERE _deleted",
                "SELECT _seq, t FROM {4} WHERE _seq > 0 ORDER BY 1",
                "SELECT t FROM {4} AS OF TIMESTAMP '2020-01-01 00:00:00'",
                "SELECT t, n FROM {4} WHERE id = 1",
            )
        )
    )
    return form.format(source, condition, value, total, draw(OWN), draw(NAMES))


EXPLAINS = st.sampled_from(("", "", "", "EXPLAIN ", "EXPLAIN ANALYZE ", "EXPLAIN VERBOSE "))
ASKED = st.tuples(EXPLAINS, queries()).map("".join)

CHANGES = st.builds(
    lambda form, table, key, condition, value: form.format(table, key, condition, value),
    st.sampled_from(
        (
            "INSERT INTO {0} VALUES ({1}, <TEXT>, <NUMBER>)",
            "INSERT INTO {0} VALUES ({1}, <TEXT>, <NUMBER>) ON CONFLICT (id) DO UPDATE SET t = {0}.t RETURNING t, n",
            "INSERT INTO {0} SELECT id + 10, t, n FROM {0} WHERE {2} ON CONFLICT DO NOTHING",
            "INSERT INTO {0} SELECT {1}, {3}, <NUMBER> FROM notes RETURNING *",
            "UPDATE {0} SET n = <NUMBER> WHERE {2} RETURNING t, n",
            "UPDATE {0} SET n = CAST(t AS BIGINT)",
            "UPDATE {0} SET id = NULL WHERE {2}",
            "DELETE FROM {0} WHERE id = {1} RETURNING t",
            "MERGE INTO {0} USING things AS s ON {0}.id = s.id WHEN MATCHED THEN UPDATE SET t = s.t "
            "WHEN NOT MATCHED THEN INSERT (id, t, n) VALUES (s.id, s.t, s.n)",
        )
    ),
    OWN,
    KEYS,
    CONDITIONS,
    VALUES,
)

FACTS = st.sampled_from(
    (
        *("SHOW STATS FOR TABLE notes", "DESCRIBE notes", "DESCRIBE notes HISTORY", "SHOW CREATE TABLE things"),
        *("SHOW TABLES", "SHOW COLUMNS FROM notes", "SELECT * FROM system.tables", "SELECT * FROM system.partitions"),
        *("SELECT * FROM system.cold_files", "SELECT * FROM system.column_stats", "SELECT * FROM system.columns"),
        *("SELECT * FROM system.table_history", "SELECT * FROM system.jobs", "SELECT * FROM system.transactions"),
        *("SELECT * FROM system.live_queries", "SELECT * FROM information_schema.tables"),
        *("SELECT * FROM information_schema.columns", "SELECT min, max FROM system.column_stats WHERE max > 'A'"),
        "SELECT c.max, s.t FROM system.column_stats c, seen s",
    )
)

STATEMENTS = st.one_of(
    st.tuples(st.just("sql"), ASKED),
    st.tuples(st.just("sql"), ASKED),
    st.tuples(st.just("sql"), CHANGES),
    st.tuples(st.just("sql"), FACTS),
    st.tuples(st.just("sql"), st.sampled_from(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s"))),
    st.tuples(
        st.just("bound"),
        st.sampled_from(
            (
                ("SELECT * FROM notes WHERE id = ?", [1]),
                ("SELECT max(t) AS m FROM seen WHERE t >= ?", ["A"]),
                ("SELECT CAST(? AS BIGINT) AS x FROM notes", ["TEXT"]),
                ("UPDATE notes SET t = ? WHERE id = ?", ["TEXT", 2]),
                ("SELECT t FROM joined WHERE t = ?", ["TEXT"]),
            )
        ),
    ),
    st.tuples(st.just("many"), st.lists(KEYS, min_size=1, max_size=3)),
    st.tuples(st.just("ingest"), st.tuples(OWN, st.booleans())),
    st.tuples(st.just("objects"), st.none()),
    st.tuples(st.just("move"), st.tuples(st.sampled_from(("flush", "compact")), OWN)),
    st.tuples(
        st.just("root"),
        st.sampled_from(
            (
                "ALTER TABLE notes ALTER COLUMN t SET NOT NULL",
                "ALTER TABLE notes ALTER COLUMN t DROP NOT NULL",
                "ALTER TABLE things ADD COLUMN x INT NOT NULL",
            )
        ),
    ),
)
