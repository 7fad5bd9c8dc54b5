"""Stream facts are what DESCRIBE says of a stream below its columns: its options, and how its events fared."""

from __future__ import annotations

import pyarrow as pa

from storage.catalog.schema import TableDef
from storage.state.state import PartitionState
from storage.state.stream_retention import visible


def described_stream(table: TableDef, partition: PartitionState, now_ms: int) -> pa.Table:
    """In the columns of DESCRIBE: the name of the fact, `option` or `figure` in place of a type, its value as default.

    Figures: events that a read would show now; events that left, and were discarded, since the server started.
    """
    figures = {
        "events_buffered": visible(table, partition, now_ms).rows,
        "events_evicted": partition.buffer.evicted,
        "events_discarded": partition.buffer.discarded,
    }
    options = table.options.shown()
    names = [*options, *figures]
    nothing = pa.nulls(len(names), pa.string())
    return pa.table(
        {
            "column": pa.array(names, pa.string()),
            "type": pa.array(["option"] * len(options) + ["figure"] * len(figures), pa.string()),
            "nullable": nothing,
            "default": pa.array([*options.values(), *map(str, figures.values())], pa.string()),
            "key": nothing,
            "comment": pa.array([""] * len(names), pa.string()),
        }
    )
