"""For each of the engine's faults, a query that meets it and the right answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.query import QueryEngine
from tests.query.states import in_state, sorted_rows

INF, NAN = float("inf"), float("nan")


def ints(**columns: list[Any]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()})


A = ints(id=[1, 2], k=[10, None], x=[1, 2])


B = ints(id=[2, 3, 4], k=[10, None, None], y=[20, 30, 40])


TABLES = {
    "a": A,
    "b": B.append_column("ok", pa.array([True, True, False])),
    "c": ints(j=[20, None, 30]),
    "e": ints(id=[1, 2, 4, 9], k=[1, None, 4, 9], b=[3, 3, 3, 3]),
    "f": pa.table(
        {
            "g": pa.array([1, 4, 5, 5, 6, 7, 7], pa.int32()),
            "id": pa.array([1, 2, 3, 4, 5, 6, 7], pa.int32()),
            "d": pa.array([-INF, INF, NAN, 1.5, None, 0.0, -0.0]),
        }
    ),
    "r": ints(id=[1, 2]).append_column("r", pa.array([{"x": 10}, {"x": 20}])),
    "n": ints(n=[1] * 9000 + [None] * 9000, m=[4] * 9000 + [-9] * 9000),
    "v": ints(id=[1, 2, 3, 4, 5, 6, 7, 8, 9], v=[10, 20, 30, 40, None, None, 70, 80, None]),
    "s": pa.table({"k": pa.array(range(12), pa.int32()), "t": [f"s{i % 4}" for i in range(12)]}),
    "i": ints(id=[1, 2]).append_column("span", pa.array([(0, 2, 0), (0, 1, 0)], pa.month_day_nano_interval())),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    fault: str
    sql: str
    right: list[tuple[Any, ...]]


CASES = (
    Case("right_join_filters", "SELECT b.id FROM a RIGHT JOIN b ON a.id = b.id WHERE a.id IS NULL AND b.ok", [(3,)]),
    Case("full_join_filters", "SELECT b.id FROM a FULL JOIN b ON a.id = b.id WHERE a.id IS NULL AND b.ok", [(3,)]),
    Case(
        "null_equality_spreads",
        "SELECT a.id, b.id AS bi FROM a JOIN b ON a.k = b.k JOIN c ON b.y IS NOT DISTINCT FROM c.j",
        [(1, 2)],
    ),
    Case(
        "decorrelated_subqueries",
        "SELECT id FROM a WHERE EXISTS (SELECT count(*) FROM b WHERE b.id = a.id)",
        [(1,), (2,)],
    ),
    Case(
        "decorrelated_subqueries",
        "SELECT k FROM e WHERE k NOT IN (SELECT a.k FROM a WHERE a.k = e.k)",
        [(None,), (1,), (4,), (9,)],
    ),
    Case("decorrelated_subqueries", "SELECT j FROM c WHERE j NOT IN (SELECT k FROM a) OR j = 30", [(30,)]),
    Case(
        "decorrelated_subqueries",
        "SELECT id, k IN (SELECT id FROM a) AS found FROM e",
        [(1, True), (2, None), (4, False), (9, False)],
    ),
    Case(
        "decorrelated_subqueries",
        "SELECT id FROM e WHERE EXISTS (SELECT 1 FROM b WHERE b.id <> e.id OFFSET 2)",
        [(1,), (9,)],
    ),
    Case(
        "extremes_of_floats",
        "SELECT g, max(d), min(d) FROM f GROUP BY g",
        [(1, -INF, -INF), (4, INF, INF), (5, NAN, 1.5), (6, None, None), (7, 0.0, 0.0)],
    ),
    Case(
        "outer_using_keys",
        "SELECT id, x, y FROM a FULL JOIN b USING (id)",
        [(1, 1, None), (2, 2, 20), (3, None, 30), (4, None, 40)],
    ),
    Case("extremes_prune_each_other", "SELECT min(n) AS a, min(m) AS b FROM n", [(1, -9)]),
    Case(
        "fields_of_null_structs",
        "SELECT id, n['x'] FROM (SELECT id, CASE WHEN id > 1 THEN r END AS n FROM r) AS q",
        [(1, None), (2, 20)],
    ),
    Case(
        "outer_using_keys",
        "SELECT * FROM (a FULL JOIN c ON a.id = c.j) RIGHT JOIN (b FULL JOIN e USING (id)) "
        "ON b.id = e.id + 5 AND c.j = b.k",
        [(None, None, None, None, i, k, y, ok, ek, eb) for i, k, y, ok, ek, eb in (
            (1, None, None, None, 1, 3), (2, 10, 20, True, None, 3), (3, None, 30, True, None, None),
            (4, None, 40, False, 4, 3), (9, None, None, None, 9, 3),
        )],
    ),
    Case("outer_using_keys", "SELECT y FROM a FULL JOIN b USING (id) WHERE id = 4", [(40,)]),
    Case(
        "grouping_sets_in_one_partition",
        "SELECT s.k % 3, length('foo'), count(DISTINCT h.t) FROM s CROSS JOIN s AS h GROUP BY GROUPING "
        "SETS ((s.k % 3, length('foo')), ())",
        [(None, None, 4), (0, 3, 4), (1, 3, 4), (2, 3, 4)],
    ),
    Case(
        "lead_past_nulls",
        "SELECT id, lead(v, 2) IGNORE NULLS OVER (ORDER BY id) FROM v",
        [(1, 30), (2, 40), (3, 70), (4, 80), (5, 80), (6, 80), (7, None), (8, None), (9, None)],
    ),
    Case("zeros_in_order", "SELECT id, count(*) OVER (PARTITION BY d) FROM f WHERE g = 7", [(6, 2), (7, 2)]),
    Case("zeros_in_order", "SELECT id FROM (SELECT id FROM f WHERE g = 7 ORDER BY d, id LIMIT 1) AS q", [(6,)]),
    Case("bits_of_floats", "SELECT id FROM f WHERE d IN (0, 1.5)", [(4,), (6,), (7,)]),
    Case("bits_of_floats", "SELECT id, nullif(d, 0) FROM f WHERE g = 7", [(6, None), (7, None)]),
    Case("bits_of_floats", "SELECT CASE d WHEN 0 THEN 'zero' ELSE 'no' END FROM f WHERE g = 7", [("zero",), ("zero",)]),
    Case(
        "infinities_stay_in_sums",
        "SELECT id, sum(d) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM f WHERE id > 2",
        [(3, NAN), (4, NAN), (5, 1.5), (6, 0.0), (7, 0.0)],
    ),
    Case(
        "orders_from_equalities",
        "SELECT k, count(*) OVER (PARTITION BY t ORDER BY k) FROM s WHERE upper(t) <> t AND lower(t) = t AND k < 2",
        [(0, 1), (1, 1)],
    ),
    Case(
        "orders_above_offsets",
        "SELECT k FROM (SELECT k FROM s ORDER BY k LIMIT 2 OFFSET 1) AS q ORDER BY k",
        [(1,), (2,)],
    ),
    Case(
        "orders_above_offsets",
        "WITH q AS (SELECT k, t FROM s ORDER BY k LIMIT 3 OFFSET 3) SELECT * FROM q ORDER BY k, t",
        [(3, "s3"), (4, "s0"), (5, "s1")],
    ),
    Case(
        "truths_as_common_expressions",
        "SELECT id, max(y) FILTER (WHERE ok IS TRUE) AS m, count(y) FILTER (WHERE ok IS TRUE) AS n FROM b GROUP BY id",
        [(2, 20, 1), (3, 30, 1), (4, None, 0)],
    ),
    Case(
        "alias_before_namespace",
        "SELECT public.a.id FROM public.a WHERE EXISTS (SELECT 1 FROM b AS a WHERE a.id = public.a.id)",
        [(2,)],
    ),
    Case("casts_left_out_of_names", "SELECT sum(k) AS a, sum(CAST(k AS DOUBLE)) AS b FROM a", [(10, 10.0)]),
    Case("casts_left_out_of_names", "SELECT DISTINCT sum(k) OVER () AS a, sum(CAST(k AS DOUBLE)) OVER () AS b FROM a",
         [(10, 10.0)]),
    Case(
        "column_before_table",
        "SELECT b.id FROM a AS b WHERE EXISTS (SELECT 1 FROM e WHERE e.id = b.id)",
        [(1,), (2,)],
    ),
    Case("unequal_correlation", "SELECT id, (SELECT y FROM b WHERE b.id = a.id) AS y FROM a", [(1, None), (2, 20)]),
    Case(
        "unequal_correlation",
        "SELECT id, (SELECT y FROM b WHERE b.id > a.id ORDER BY 1 DESC LIMIT 1) AS y FROM a",
        [(1, 40), (2, 40)],
    ),
    Case(
        "unequal_correlation",
        "SELECT id, (SELECT count(*) FROM b WHERE b.id < e.id) FROM e",
        [(1, 0), (2, 0), (4, 2), (9, 3)],
    ),
    Case("times_in_nanoseconds", "SELECT TIMESTAMP '9999-12-31 00:00:00' > DATE '2026-01-01' AS q", [(True,)]),
    Case(
        "orders_from_equalities",
        "SELECT id, k, b FROM e WHERE k = id ORDER BY b, k, id",
        [(1, 1, 3), (4, 4, 3), (9, 9, 3)],
    ),
    Case(
        "orders_from_equalities",
        "SELECT id, count(*) OVER (PARTITION BY b ORDER BY id, k) AS n FROM e WHERE k IN (id) AND NOT (id <> k)",
        [(1, 1), (4, 2), (9, 3)],
    ),
    Case(
        "orders_from_equalities",
        "SELECT id, sum(1) OVER (PARTITION BY b ORDER BY k, id) AS n FROM e WHERE b = 3 AND (k = id) IS NOT FALSE",
        [(1, 1), (2, 4), (4, 2), (9, 3)],
    ),
    Case("divisions_beside_guards", "SELECT k FROM s WHERE k <> 0 AND 8 / k > 3", [(1,), (2,)]),
    Case(
        "divisions_beside_guards",
        "WITH q AS (SELECT * FROM s WHERE k <> 0) SELECT k FROM q WHERE 8 / k > 3",
        [(1,), (2,)],
    ),
    Case(
        "divisions_beside_guards",
        "WITH p AS (SELECT * FROM s WHERE k <> 0), q AS (SELECT k, 8 / k AS d FROM p) SELECT k FROM q WHERE d > 3",
        [(1,), (2,)],
    ),
    Case(
        "divisions_beside_guards",
        "SELECT s.k FROM s JOIN v ON s.k = v.id AND s.k <> 0 WHERE 8 / s.k > 3",
        [(1,), (2,)],
    ),
    Case("divisions_beside_guards", "SELECT k FROM s WHERE k <> 0 GROUP BY k HAVING 8 / k > 3", [(1,), (2,)]),
    Case(
        "divisions_beside_guards",
        "SELECT k, sum(8 / k) FILTER (WHERE k > 0) OVER (ORDER BY k) AS n FROM s WHERE k < 3",
        [(0, None), (1, 8), (2, 12)],
    ),
    Case(
        "divisions_beside_guards",
        "SELECT k FROM s WHERE t LIKE 's_' AND t <> 's0' AND CAST(replace(replace(t, 's0', ''), 's', '') AS INT) = 1",
        [(1,), (5,), (9,)],
    ),
    Case(
        "divisions_above_outer_joins",
        "SELECT v.id FROM v LEFT JOIN s ON v.id = s.k + 1 AND s.k <> 0 WHERE 8 / s.k > 3",
        [(2,), (3,)],
    ),
    Case("windows_over_intervals", "SELECT id, row_number() OVER (ORDER BY span) FROM i", [(1, 2), (2, 1)]),
    Case("columns_of_a_key", "SELECT id, x, count(*) FROM a GROUP BY id", [(1, 1, 1), (2, 2, 1)]),
    Case("equal_output_names", "SELECT x AS id FROM a ORDER BY a.id", [(1,), (2,)]),
    Case("equal_output_names", "SELECT count(*) FROM (SELECT id, id FROM a) AS q", [(2,)]),
)  # fmt: skip


def answer(case: Case, state: str, queries: QueryEngine, cold: Path) -> list[str]:
    database = in_state(state, queries, cold, TABLES, a=("id",))
    return sorted_rows(list(zip(*(column.to_pylist() for column in database.ask(case.sql).columns), strict=True)))
