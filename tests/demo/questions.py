"""Twenty questions to the flights, in SQL that Frostline and DuckDB read alike. Each answer has one possible order."""

from __future__ import annotations

from typing import Final

QUESTIONS: Final = {
    "count_all_and_not_null": """
        SELECT count(*) AS flights, count(dep_time) AS departed, count(arr_delay) AS arrived, count(tailnum) AS known,
               count(DISTINCT tailnum) AS planes, min(time_hour) AS first, max(time_hour) AS last
        FROM flights
    """,
    "group_by_carrier": """
        SELECT carrier, count(*) AS n, avg(dep_delay) AS mean, min(dep_delay) AS least, max(dep_delay) AS most,
               sum(distance) AS miles, stddev_samp(arr_delay) AS spread
        FROM flights GROUP BY carrier ORDER BY carrier
    """,
    "having": """
        SELECT dest, count(*) AS n, avg(arr_delay) AS mean FROM flights
        GROUP BY dest HAVING count(*) > 8000 AND avg(arr_delay) > 0 ORDER BY mean DESC
    """,
    "join_airlines": """
        SELECT a.name, count(*) AS n, avg(f.air_time) AS mean FROM flights f JOIN airlines a ON f.carrier = a.carrier
        GROUP BY a.name ORDER BY n DESC, a.name
    """,
    "left_join_what_is_missing": """
        SELECT f.dest, count(*) AS n FROM flights f LEFT JOIN airports p ON p.faa = f.dest
        WHERE p.faa IS NULL GROUP BY f.dest ORDER BY f.dest
    """,
    "five_tables": """
        SELECT a.name AS airline, p.manufacturer, d.name AS destination, count(*) AS n, avg(w.temp) AS mean_temp
        FROM flights f
        JOIN airlines a ON a.carrier = f.carrier
        JOIN planes p ON p.tailnum = f.tailnum
        JOIN airports d ON d.faa = f.dest
        JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
        WHERE w.visib < 2 AND p.seats > 150
        GROUP BY a.name, p.manufacturer, d.name HAVING count(*) >= 5
        ORDER BY n DESC, airline, p.manufacturer, destination LIMIT 40
    """,
    "full_join_of_groups": """
        SELECT coalesce(l.dest, r.dest) AS dest, l.n AS newark, r.n AS la_guardia
        FROM (SELECT dest, count(*) AS n FROM flights WHERE origin = 'EWR' GROUP BY dest) l
        FULL JOIN (SELECT dest, count(*) AS n FROM flights WHERE origin = 'LGA' GROUP BY dest) r ON l.dest = r.dest
        ORDER BY 1
    """,
    "self_join_next_leg": """
        SELECT out.tailnum, count(*) AS n FROM flights out
        JOIN flights again ON out.tailnum = again.tailnum AND out.year = again.year AND out.month = again.month
             AND out.day = again.day AND out.sched_dep_time < again.sched_dep_time
        WHERE out.month = 7 GROUP BY out.tailnum ORDER BY n DESC, out.tailnum LIMIT 25
    """,
    "rank_in_window": """
        SELECT * FROM (
            SELECT origin, carrier, n, rank() OVER (PARTITION BY origin ORDER BY n DESC) AS place
            FROM (SELECT origin, carrier, count(*) AS n FROM flights GROUP BY origin, carrier) counted
        ) ranked WHERE place <= 3 ORDER BY origin, place, carrier
    """,
    "running_total_and_moving_mean": """
        SELECT day_of, n, sum(n) OVER (ORDER BY day_of) AS so_far,
               avg(n) OVER (ORDER BY day_of ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week_mean,
               lag(n, 7) OVER (ORDER BY day_of) AS week_before
        FROM (SELECT CAST(time_hour AS DATE) AS day_of, count(*) AS n FROM flights GROUP BY 1) days
        ORDER BY day_of
    """,
    "percentiles": """
        SELECT origin, median(dep_delay) AS half, percentile_cont(0.9) WITHIN GROUP (ORDER BY dep_delay) AS ninety,
               percentile_cont(0.99) WITHIN GROUP (ORDER BY air_time) AS long_haul
        FROM flights GROUP BY origin ORDER BY origin
    """,
    "distinct_pairs": """
        SELECT count(*) AS routes FROM (SELECT DISTINCT origin, dest FROM flights) pairs
    """,
    "order_and_limit_with_nulls": """
        SELECT year, month, day, carrier, flight, origin, dest, dep_delay, arr_delay FROM flights
        WHERE carrier IN ('HA', 'OO') OR year = 2014
        ORDER BY dep_delay DESC NULLS LAST, arr_delay NULLS FIRST, year, month, day, carrier, flight, origin, dest
        LIMIT 50 OFFSET 10
    """,
    "case_and_filter": """
        SELECT CASE WHEN dep_time IS NULL THEN 'cancelled' WHEN arr_delay IS NULL THEN 'diverted'
                    WHEN arr_delay <= 0 THEN 'on time' ELSE 'late' END AS fate,
               count(*) AS n, count(*) FILTER (WHERE origin = 'JFK') AS from_jfk,
               count(*) FILTER (WHERE distance BETWEEN 500 AND 1000) AS middle
        FROM flights GROUP BY 1 ORDER BY 1
    """,
    "dates": """
        SELECT date_trunc('month', time_hour) AS month_of, extract(dow FROM time_hour) AS weekday, count(*) AS n
        FROM flights WHERE time_hour >= TIMESTAMP '2013-06-01 00:00:00' AND time_hour < TIMESTAMP '2014-02-01 00:00:00'
        GROUP BY 1, 2 ORDER BY 1, 2
    """,
    "strings": """
        SELECT upper(substr(name, 1, 2)) AS head, count(*) AS n, max(length(name)) AS longest,
               min(lower(name) || '/' || coalesce(tzone, '?')) AS least
        FROM airports WHERE name LIKE '%Airport%' OR name ILIKE '%field' GROUP BY 1 HAVING count(*) > 4 ORDER BY 1
    """,
    "common_tables": """
        WITH busy AS (SELECT dest FROM flights GROUP BY dest ORDER BY count(*) DESC, dest LIMIT 10),
             hours AS (SELECT dest, hour, count(*) AS n FROM flights WHERE dest IN (SELECT dest FROM busy)
                       GROUP BY dest, hour)
        SELECT dest, hour, n FROM hours h
        WHERE n = (SELECT max(n) FROM hours o WHERE o.dest = h.dest) ORDER BY dest, hour
    """,
    "subqueries": """
        SELECT carrier, count(*) AS n FROM flights f
        WHERE dep_delay > (SELECT avg(dep_delay) + 100 FROM flights)
          AND EXISTS (SELECT 1 FROM planes p WHERE p.tailnum = f.tailnum AND p.year < 1995)
          AND dest NOT IN (SELECT faa FROM airports WHERE tz = -8)
        GROUP BY carrier ORDER BY n DESC, carrier
    """,
    "set_operations": """
        SELECT origin AS place FROM flights UNION SELECT origin FROM weather
        UNION ALL (SELECT carrier FROM airlines EXCEPT SELECT carrier FROM flights WHERE month < 6)
        ORDER BY place
    """,
    "weather_arithmetic": """
        SELECT origin, month, count(*) AS hours, avg((temp - 32) * 5.0 / 9.0) AS celsius, max(wind_gust) AS gust,
               sum(precip) AS rain, count(wind_gust) AS gusts, round(avg(pressure), 1) AS pressure
        FROM weather GROUP BY origin, month ORDER BY origin, month
    """,
}
