"""Hostile statements: each function and type of the engine with arguments that are huge, negative, computed, read.

Which arguments a function takes is found out by planning, so a function of a newer engine is tried by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from datafusion import SessionConfig, SessionContext, SQLOptions

from flight_server.sandbox import functions

# Kinds of arguments: one that is harmless, then hostile ones. Columns are those of `big()`.
KINDS: Final = {
    "number": ("3", "2147483647", "1000000000000", "(1000000 * 1000000)", "n", "-1", "(-9223372036854775807 - 1)"),
    "text": ("'ab'", "s", "t", "repeat('ab', 5000000)", "repeat(t, 20)"),
    "list": ("[1, 2]", "l", "range(0, 10000000)", "array_repeat(s, 20)"),
    "real": ("0.5", "1e300", "CAST('NaN' AS DOUBLE)", "CAST(n AS DOUBLE)"),
    "time": ("TIMESTAMP '2024-01-01 00:00:00'", "arrow_cast(9223372036854775807, 'Timestamp(Microsecond, None)')"),
    "span": ("INTERVAL '1 day'", "INTERVAL '1 nanosecond'", "INTERVAL '100000 years'"),
    "bytes": ("X'00ff'", "CAST(t AS BYTEA)"),
    "truth": ("true", "n > 0"),
    "map": ("MAP {'a': 1}", "map(l, l)"),
}
_ARITIES: Final = {
    0: (),
    1: tuple(KINDS),
    2: tuple(KINDS),
    3: ("number", "text", "list", "time", "span"),
    4: ("text", "number", "list"),
}
SIGNATURES_MAX: Final = 4
TYPES: Final = (
    "CHAR({n})", "VARCHAR({n})", "BINARY({n})", "VARBINARY({n})", "DECIMAL({n}, 2)", "DECIMAL(38, {n})", "TIME({n})",
    "TIMESTAMP({n})", "FLOAT({n})", "INT[{n}]", "INT[{n}][{n}]", "VARCHAR[{n}]", "BIT({n})", "INTERVAL", "BYTEA",
)  # fmt: skip
ARROW_TYPES: Final = (
    "FixedSizeBinary({n})", "FixedSizeList({n}, Int64)", "FixedSizeList({n} x Int64)", "FixedSizeList({n}, Utf8)",
    "FixedSizeList({n}, FixedSizeList({n}, Int64))", "List(FixedSizeBinary({n}))",
    "LargeList(FixedSizeList({n}, Int8))",
    "Struct(\"a\": FixedSizeBinary({n}))", "Dictionary(Int32, FixedSizeBinary({n}))", "Decimal128({n}, 2)",
    "Decimal256(76, {n})", "Utf8View", "LargeUtf8", "BinaryView", "Duration(Nanosecond)", "Date64",
    "RunEndEncoded(Int32, FixedSizeBinary({n}))",
)  # fmt: skip
SIZES: Final = ("0", "1", "65536", "1000000", "2147483647", "-1")
# What no single function does: growth step by step, rows, recursion, joins, sorts, windows.
SHAPES: Final = (
    "WITH RECURSIVE r(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM r) SELECT max(length(x)) FROM r",
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
    "WITH RECURSIVE r(x) AS (SELECT [1] UNION ALL SELECT array_concat(x, x) FROM r) SELECT max(array_length(x)) FROM r",
    "SELECT length(" + "concat(" * 5 + "s" + ", s, s, s, s)" * 5 + ") FROM big",
    "SELECT max(length(x)) FROM (" * 1 + "SELECT concat(x,x,x,x,x,x,x,x) x FROM (SELECT concat(x,x,x,x,x,x,x,x) x FROM "
    "(SELECT concat(x,x,x,x,x,x,x,x) x FROM (SELECT t x FROM big)))" + ")",
    "SELECT s, max(n) FROM big GROUP BY s ORDER BY max(n) DESC LIMIT 1000000000000",
    "SELECT DISTINCT s FROM big ORDER BY s LIMIT 2147483647",
    "SELECT s FROM big ORDER BY n LIMIT 9223372036854775807",
    "SELECT s FROM big ORDER BY n OFFSET 9223372036854775807",
    "SELECT ntile(9223372036854775807) OVER (ORDER BY n) FROM big",
    "SELECT lag(n, 9223372036854775807) OVER (ORDER BY n), lead(s, -9223372036854775807) OVER (ORDER BY n) FROM big",
    "SELECT nth_value(n, 9223372036854775807) OVER (ORDER BY n) FROM big",
    "SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN 9223372036854775807 PRECEDING AND 9223372036854775807 FOLLOWING) "
    "FROM big",
    "SELECT sum(k) OVER (ORDER BY k RANGE BETWEEN 9223372036854775807 PRECEDING AND CURRENT ROW) FROM big",
    "SELECT count(*) FROM generate_series(1, 1000000000000)",
    "SELECT count(*) FROM range(-9223372036854775807, 9223372036854775807)",
    "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 90000) b WHERE a.value < b.value - 99999",
    "SELECT array_agg(v) FROM (SELECT 1 v FROM generate_series(1, 1000000000))",
    "SELECT string_agg('abcdefgh', 'xxxxxxxxxxxxxxxxxxxxxxx') FROM generate_series(1, 1000000000)",
    "SELECT string_agg(s, repeat('x', 10000000)) FROM big",
    "SELECT unnest(range(0, 100000000)), t FROM big",
    "SELECT unnest([l, l, l]), t FROM big",
    "SELECT count(*) FROM (SELECT unnest(generate_series(TIMESTAMP '1700-01-01', TIMESTAMP '2200-01-01', "
    "INTERVAL '1' nanosecond)))",
    "SELECT s LIKE repeat('%a', 100000) FROM big",
    "SELECT t ~ '(a{1000}){1000}' FROM big",
    "SELECT t ~ repeat('(a|b)*', 10000) FROM big",
    "SELECT t SIMILAR TO '(a|b){1000}%' FROM big",
    "SELECT regexp_replace(t, '', repeat('x', 1000000), 'g') FROM big",
    "SELECT sum(approx_percentile_cont(n, 0.5, 1000000000)) OVER () FROM big GROUP BY s",
    "SELECT (SELECT repeat(max(t), 1000000) FROM big)",
    "SELECT EXISTS (SELECT 1 FROM big WHERE length(repeat(t, n)) > 1)",
    "SELECT CASE WHEN k > 100 THEN repeat(t, 1000000) END FROM big",
    "VALUES (1), (2), (3), (4), (5), (6), (length(repeat('a', 2147483647)))",
    "SELECT 1 UNION ALL SELECT length(repeat('a', 2147483647))",
    "SELECT sum(x) FROM (SELECT 1 x) WHERE length(repeat('a', 2147483647)) > 0",
    "SELECT k FROM big GROUP BY k HAVING length(repeat(max(t), 1000000)) > 0",
    "SELECT k FROM big ORDER BY length(repeat(t, 1000000))",
    "SELECT a.k FROM big a JOIN big b ON a.k = b.k AND repeat(a.t, 1000000) = b.t",
    "EXPLAIN SELECT repeat('a', 2147483647) || 'b'",
    "EXPLAIN ANALYZE SELECT repeat('a', 2147483647) || 'b'",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hostile:
    """name: of the function, type or shape; what: which kind of argument"""

    name: str
    what: str
    sql: str


def big() -> pa.Table:
    """Few rows with long values: text `t` of 1 MB, list `l` of 100,000, counts `n` up to 2^31, keys `k`."""
    rows = 3
    return pa.table(
        {
            "k": pa.array(range(rows), pa.int64()),
            "n": pa.array([0, 1 << 31, 1 << 40], pa.int64()),
            "s": pa.array(["ab" * 10] * rows),
            "t": pa.array(["ab" * 500_000] * rows),
            "l": pa.array([list(range(100_000))] * rows, pa.list_(pa.int64())),
        }
    )


def engine_functions() -> list[str]:
    """Scalar, aggregate and window functions of the engine as it is installed, and `unnest`."""
    context = SessionContext(SessionConfig().with_information_schema(True))
    listed = "SELECT DISTINCT routine_name FROM information_schema.routines"
    return sorted({*context.sql_with_options(listed, SQLOptions()).to_pydict()["routine_name"], "unnest"})


def hostile_calls(name: str) -> Iterator[Hostile]:
    """Every signature found, each argument hostile in turn, then all of them."""
    context = SessionContext()
    context.register_record_batches("big", [big().to_batches()])
    for kinds in itertools.islice(_signatures(context, name), SIGNATURES_MAX):
        harmless = [KINDS[kind][0] for kind in kinds]
        if not kinds:
            yield Hostile(name, "nothing", f"SELECT {name}() FROM big")
        for at, kind in enumerate(kinds):
            for value in KINDS[kind][1:]:
                arguments = [*harmless[:at], value, *harmless[at + 1 :]]
                yield Hostile(name, kind, _call(name, arguments))
        if len(kinds) > 1:
            yield Hostile(name, "all", _call(name, [KINDS[kind][-1] for kind in kinds]))
            yield Hostile(name, "all", _call(name, [KINDS[kind][1] for kind in kinds]))


def _signatures(context: SessionContext, name: str) -> Iterator[Sequence[str]]:
    for arity, kinds in _ARITIES.items():
        for signature in itertools.product(kinds, repeat=arity):
            if _plans(context, _call(name, [KINDS[kind][0] for kind in signature])):
                yield signature


def _plans(context: SessionContext, sql: str) -> bool:
    try:
        context.sql_with_options(sql, SQLOptions()).schema()
    except BaseException:  # a panic while planning is no Exception
        return False
    return True


def _call(name: str, arguments: Sequence[str]) -> str:
    over = " OVER ()" if name in _WINDOWS else ""
    return f"SELECT {name}({', '.join(arguments)}){over} AS x FROM big"


_WINDOWS: Final = frozenset(["cume_dist", "dense_rank", "lag", "lead", "ntile", "percent_rank", "rank", "row_number"])


def hostile_types() -> Iterator[Hostile]:
    for size in SIZES:
        for value in ("NULL", "1", "'x'", "k"):
            for kind in TYPES:
                yield Hostile(kind.format(n="n"), size, f"SELECT CAST({value} AS {kind.format(n=size)}) AS x FROM big")
            for kind in ARROW_TYPES:
                written = kind.format(n=size)
                yield Hostile(kind.format(n="n"), size, f"SELECT arrow_cast({value}, '{written}') AS x FROM big")


def hostile_shapes() -> Iterator[Hostile]:
    for number, sql in enumerate(SHAPES):
        yield Hostile(f"shape {number}", sql.split(" ")[0].lower(), sql)


def is_known(name: str) -> bool:
    return name in functions.KNOWN
