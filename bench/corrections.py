"""What happens to the flights after they were loaded: some are added, corrected and taken back.

Plain SQL that other engines read too, so that the tests can make the same changes on both sides and compare.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Correction(NamedTuple):
    """One statement, and what it is in words."""

    title: str
    sql: str


CORRECTIONS: Final = (
    Correction(
        "add the flights of New Year 2014, planned like those of the day before",
        """
        INSERT INTO flights (year, month, day, sched_dep_time, sched_arr_time, carrier, flight, tailnum, origin, dest,
                             distance, hour, minute, time_hour)
        SELECT 2014, 1 AS month, 1 AS day, sched_dep_time, sched_arr_time, carrier, flight, tailnum, origin, dest,
               distance, hour, minute, time_hour + INTERVAL '1 day'
        FROM flights WHERE year = 2013 AND month = 12 AND day = 31
        """,
    ),
    Correction(
        "correct a clock: Hawaiian's departures in March were five minutes earlier",
        "UPDATE flights SET dep_delay = dep_delay - 5 WHERE carrier = 'HA' AND month = 3",
    ),
    Correction(
        "correct the destination of the oldest planes, found through another table",
        """
        UPDATE flights SET dest = 'DAL', distance = distance - 8
        WHERE dest = 'DFW' AND tailnum IN (SELECT tailnum FROM planes WHERE year < 1970)
        """,
    ),
    Correction(
        "take back the flights of 8 February that the blizzard cancelled",
        "DELETE FROM flights WHERE month = 2 AND day = 8 AND dep_time IS NULL",
    ),
    Correction(
        "take back flights into airports that are not in the list, from Newark",
        """
        DELETE FROM flights
        WHERE origin = 'EWR' AND NOT EXISTS (SELECT 1 FROM airports WHERE airports.faa = flights.dest)
        """,
    ),
    Correction("rename an airline", "UPDATE airlines SET name = 'ExpressJet' WHERE name = 'ExpressJet Airlines Inc.'"),
    Correction("add an airline that nobody flew with", "INSERT INTO airlines VALUES ('ZZ', 'Frost Air')"),
    Correction("fill in what a broken gauge left out", "UPDATE weather SET wind_gust = wind_speed WHERE month = 6"),
)
