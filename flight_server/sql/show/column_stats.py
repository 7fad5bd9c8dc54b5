"""Column statistics come from the manifests of all cold files of a table: no file is read.

Hot rows are not in it, versions that were deleted and not purged yet are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from storage.catalog.schema import Column
from storage.state.state import ColdFile


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """rows: versions in files that have the column; low, high: as text, None when not all files tell; nulls likewise;
    bytes: compressed."""

    rows: int
    nulls: int | None
    low: str | None
    high: str | None
    bytes: int | None


def column_stats(column: Column, files: Iterable[ColdFile]) -> ColumnStats:
    """Over those of the files that have the column."""
    having = [file for file in files if column.physical_name in file.column_names]
    told = [file.column_stats.get(column.physical_name) for file in having]
    sizes = [file.column_bytes.get(column.physical_name) for file in having]
    all_null = [stats is not None and stats[2] == file.rows for stats, file in zip(told, having, strict=True)]
    bounds = [(stats[0], stats[1]) if stats else (None, None) for stats in told]
    bounds = [bound for bound, empty in zip(bounds, all_null, strict=True) if not empty]
    order = _order_of(column.type)
    return ColumnStats(
        rows=sum(file.rows for file in having),
        nulls=None if None in told else sum(stats[2] for stats in told if stats is not None),
        low=_extreme(min, [low for low, _ in bounds], order),
        high=_extreme(max, [high for _, high in bounds], order),
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
    )


def _extreme(choose: Callable[..., str], texts: list[str | None], order: Callable[[str], Any] | None) -> str | None:
    known = [text for text in texts if text is not None]
    if order is None or not known or len(known) < len(texts):
        return None
    return choose(known, key=order)


def _order_of(kind: pa.DataType) -> Callable[[str], Any] | None:
    """What the manifest's texts sort by as their values do; None for types of which they do not."""
    if isinstance(kind, pa.BaseExtensionType):
        return _order_of(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _order_of(kind.value_type)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return Decimal
    if pa.types.is_duration(kind) or pa.types.is_interval(kind) or pa.types.is_nested(kind):
        return None
    return str
