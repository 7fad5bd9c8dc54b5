"""Texts at the limits of the guard, and texts that hide from it."""

from __future__ import annotations

from collections.abc import Callable

Shape = Callable[[int], str]


def _repeated(before: str, unit: str, after: str = "") -> Shape:
    return lambda n: before + unit * n + after


def _nested(opening: str, inner: str, closing: str) -> Shape:
    return lambda n: f"SELECT {opening * n}{inner}{closing * n} FROM t"


def _common_tables(body: str) -> Shape:
    return lambda n: (
        "WITH c0 AS (SELECT 1 x)"
        + "".join(f", c{i} AS (SELECT {body.format(i - 1)})" for i in range(1, n))
        + f" SELECT * FROM c{n - 1}"
    )


CHAINS: dict[str, Shape] = {
    "or": _repeated("SELECT * FROM t WHERE a = 0", " OR a = 1"),
    "and": _repeated("SELECT * FROM t WHERE a = 0", " AND a <> 1"),
    "plus": _repeated("SELECT 1", "+1"),
    "minus": _repeated("SELECT a", " - a", " FROM t"),
    "times": _repeated("SELECT a", "*a", " FROM t"),
    "concat": _repeated("SELECT b", "||b", " FROM t"),
    "cast": _repeated("SELECT a", "::int", " FROM t"),
    "is null": _repeated("SELECT a", " IS NULL", " FROM t"),
    "like": _repeated("SELECT b", " LIKE 'x'", " FROM t"),
    "between": _repeated("SELECT a", " BETWEEN 1 AND 2", " FROM t"),
    "in": _repeated("SELECT a", " IN (1)", " FROM t"),
    "equal": _repeated("SELECT a", "=a", " FROM t"),
    "power": _repeated("SELECT a", "^a", " FROM t"),
    "xor": _repeated("SELECT true", " XOR true"),
    "unknown operator": _repeated("SELECT a", " OPERATOR(x.+) group", " FROM t"),
    "key words as names": _repeated("SELECT 1", "+group+t.select+offset", " FROM t"),
    "distinct from": _repeated("SELECT a", " IS DISTINCT FROM group", " FROM t"),
    "case between": _repeated("SELECT 1", "+CASE WHEN a THEN 1 END", " FROM t"),
    "within group": _repeated("SELECT 1", "+f(1) WITHIN GROUP (ORDER BY a)", " FROM t"),
    "brackets between": _repeated("SELECT 1", "+(1+1)"),
    "time zone": _repeated("SELECT a", " AT TIME ZONE 'UTC'", " FROM t"),
    "subscript": _repeated("SELECT c", "[1]", " FROM t"),
    "array type": _repeated("SELECT a::int", "[]", " FROM t"),
    "not": _repeated("SELECT ", "NOT ", "true"),
    "sign": _repeated("SELECT ", "- ", "1"),
    "interval": _repeated("SELECT ", "INTERVAL ", "'1 day'"),
    "union all": _repeated("SELECT 1", " UNION ALL SELECT 1"),
    "intersect": _repeated("SELECT 1", " INTERSECT SELECT 1"),
    "pipe": _repeated("SELECT 1 a", " |> WHERE a = 1"),
    "common tables": _common_tables("x FROM c{0}"),
    "doubling common tables": _common_tables("l.x FROM c{0} l, c{0} r"),
    "joins": _repeated("SELECT 1 FROM t", " JOIN t ON true"),
    "tables": _repeated("SELECT 1 FROM t", ", t"),
    "windows": _repeated("SELECT 1", ", sum(a) OVER (ORDER BY a)", " FROM t"),
    "columns": _repeated("SELECT 1", ", a", " FROM t"),
    "sort": _repeated("SELECT 1 FROM t ORDER BY a", ", a"),
    "cube": _repeated("SELECT 1 FROM t GROUP BY CUBE (a", ", a", ")"),
    "case arms": _repeated("SELECT CASE a", " WHEN 1 THEN 1", " END FROM t"),
    "open": _repeated("SELECT ", "("),
    "brackets": _nested("(", "1", ")"),
    "functions": _nested("f(", "1", ")"),
    "nested case": _nested("CASE WHEN true THEN ", "1", " END"),
    "arrays": _nested("ARRAY[", "1", "]"),
    "casts": _nested("CAST(1 + ", "1", " AS INT)"),
    "bracket casts": _nested("(1 + ", "1", ")::INT"),
    "coalesce": _nested("coalesce(", "a", ", a)"),
    "negations": _nested("NOT (", "true", ")"),
    "queries": _nested("(SELECT ", "1", ")"),
    "types": _repeated("SELECT a::", "ARRAY<", "INT"),
}


PASSING: dict[str, str] = {
    "ten thousand rows": "INSERT INTO t VALUES " + ",".join(f"({i}, -{i}, 'it''s - {i}', NULL)" for i in range(10_000)),
    "ten thousand computed rows": "INSERT INTO t VALUES " + ",".join(f"({i} + 1, upper('x'))" for i in range(10_000)),
    "dated rows": "VALUES " + ",".join(f"({i}, DATE '2026-01-01', X'00', -1.5e-3)" for i in range(10_000)),
    "rows of parameters": "INSERT INTO t VALUES " + ",".join("(?, ?, ?)" for _ in range(10_000)),
    "numbers in a list": "SELECT * FROM t WHERE a IN (" + ",".join(map(str, range(100_000))) + ")",
    "strings in a list": "SELECT * FROM t WHERE a IN (" + ",".join(f"'{i}'" for i in range(100_000)) + ")",
    "an array": "SELECT ARRAY[" + ",".join(map(str, range(10_000))) + "]",
    "operators in a string": "SELECT '" + "+1 OR " * 10_000 + "'",
    "operators in a doubled string": "SELECT '" + "''+" * 10_000 + "'",
    "operators in an E string": "SELECT E'" + "\\'+" * 10_000 + "'",
    "operators in dollars": "SELECT $x$" + "+1 OR '" * 10_000 + "$x$",
    "operators in a name": 'SELECT "' + "+1 OR " * 10_000 + '"',
    "operators in a comment": "SELECT 1 /*" + "+1 OR /* */ " * 10_000 + "*/ -- " + "+1" * 10_000,
    "a wide table": "SELECT " + ",".join(f"a{i} + 1 AS b{i}" for i in range(1_500)) + " FROM t",
    "a wide definition": "CREATE TABLE t (" + ",".join(f"a{i} DECIMAL(10, 2) NOT NULL" for i in range(3_000)) + ")",
    "many conditions": "SELECT * FROM t WHERE " + " OR ".join(f"(a = {i} AND b = 'x')" for i in range(400)),
    "many assignments": "UPDATE t SET " + ", ".join(f"a{i} = b{i} + 1" for i in range(2_000)),
    "many statements": ";".join(["SELECT 1 UNION SELECT 2 WHERE a OR b"] * 3_000),
    "a report": """
        WITH sales AS (SELECT d, sum(x * (1 - y)) AS s FROM f JOIN g USING (k)
                       WHERE d BETWEEN DATE '2026-01-01' AND now() GROUP BY d),
             ranked AS (SELECT *, row_number() OVER (PARTITION BY date_trunc('month', d) ORDER BY s DESC) AS r
                        FROM sales)
        SELECT a.d, CASE WHEN a.s > b.s THEN 'up' WHEN a.s < b.s THEN 'down' ELSE 'same' END
        FROM ranked a LEFT JOIN ranked b ON a.r = b.r + 1 AND a.d <> b.d
        WHERE a.r <= 10 AND NOT EXISTS (SELECT 1 FROM ranked c WHERE c.d = a.d AND coalesce(c.s, 0)::int < -1)
        GROUP BY ROLLUP (1, 2) HAVING count(*) > 1 ORDER BY 1, 2 DESC LIMIT 10 OFFSET 5
    """,
}


_SUMS = "+1" * 12_000


HIDING: dict[str, str] = {
    "a name with dollars": f"SELECT #$$ {_SUMS}, $$",
    "a name with dollars in it": f"SELECT a#$$ {_SUMS}, $$",
    "a name before E": f"SELECT #E'\\' , 1{_SUMS}, ''",
    "a number before E": f"SELECT 1E'\\'' {_SUMS}, ''",
    "a raw string": f"SELECT R'''x'y''' {_SUMS}, ' '",
    "Oracle quotes": f"SELECT Q'[']' , 1{_SUMS}, ''",
    "a numbered tag": f"SELECT $1$ $a$ $1$ {_SUMS}, $a$ $2$ $a$ $2$",
    "comments in comments": f"SELECT 1 /*/*/ {_SUMS} /* */",
    "braces": f"SELECT 1 {{# {_SUMS} #}}",
    "back-quotes": f"SELECT `'` {_SUMS}, '`'",
    "a letter that Python has none of": f"SELECT \u24b6$$ {_SUMS}, $$",
}
