"""What the demo asks. Each query reads rows that are hot and rows that are cold."""

from __future__ import annotations

from typing import Final, NamedTuple


class DemoQuery(NamedTuple):
    """A question and its SQL."""

    title: str
    sql: str


PANDAS_QUERIES: Final = (
    DemoQuery(
        "Which airlines are late?",
        """
        SELECT a.name AS airline, count(*) AS flights, avg(f.arr_delay) AS mean_delay,
               100.0 * count(*) FILTER (WHERE f.arr_delay > 30) / count(f.arr_delay) AS over_30_minutes_percent
        FROM flights f JOIN airlines a USING (carrier)
        GROUP BY a.name HAVING count(*) > 1000 ORDER BY mean_delay DESC LIMIT 5
        """,
    ),
    DemoQuery(
        "Does wind delay take-off?",
        """
        SELECT CASE WHEN w.wind_speed < 10 THEN '1 calm' WHEN w.wind_speed < 20 THEN '2 breeze'
                    ELSE '3 strong wind' END AS wind,
               count(*) AS flights, median(f.dep_delay) AS median_delay, avg(f.dep_delay) AS mean_delay
        FROM flights f JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour
        WHERE f.dep_delay IS NOT NULL AND w.wind_speed IS NOT NULL
        GROUP BY wind ORDER BY wind
        """,
    ),
)

POLARS_QUERIES: Final = (
    DemoQuery(
        "The worst day of each airport",
        """
        WITH days AS (
            SELECT origin, date_trunc('day', time_hour) AS day, count(*) AS flights, avg(dep_delay) AS mean_delay
            FROM flights GROUP BY 1, 2
        ), ranked AS (
            SELECT *, rank() OVER (PARTITION BY origin ORDER BY mean_delay DESC) AS place FROM days
            WHERE mean_delay IS NOT NULL
        )
        SELECT p.name AS airport, CAST(r.day AS DATE) AS day, r.flights, r.mean_delay
        FROM ranked r JOIN airports p ON p.faa = r.origin WHERE r.place = 1 ORDER BY r.mean_delay DESC
        """,
    ),
    DemoQuery(
        "The planes that flew most, and what is not known of them",
        """
        SELECT f.tailnum, coalesce(p.manufacturer, '(not in the list)') AS manufacturer, count(*) AS flights,
               sum(f.distance) AS miles
        FROM flights f LEFT JOIN planes p USING (tailnum)
        WHERE f.tailnum IS NOT NULL GROUP BY 1, 2 ORDER BY flights DESC, f.tailnum LIMIT 5
        """,
    ),
    DemoQuery(
        "All versions of rows, those that were replaced or deleted too",
        """
        SELECT CAST(date_trunc('month', time_hour) AS DATE) AS month, count(*) AS versions,
               count(*) FILTER (WHERE _deleted) AS deleted
        FROM flights WHERE month IN (1, 2, 3) GROUP BY 1 ORDER BY 1
        """,
    ),
)
