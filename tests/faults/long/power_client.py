"""What runs under strace: an engine that changes a table, telling a file before each change and after its answer.

One thread asks and waits, so nothing else is between a "try" and its "ok". The journal is written with one write
each, which strace sees in order with the engine's own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

from storage.clock import SystemClock
from storage.engine import Engine
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from tests.support import storage_builders as furniture

SMALL = StorageSettings(hot_statement_bytes_max=4000, row_group_rows=1024, file_bytes_target=1 << 20)


def run(directory: Path, journal: Path, seed: int, changes: int) -> None:
    """`journal`: one line an event, "try <what>" and "ok <what>"; rows are named by their keys."""
    random = Random(seed)
    with journal.open("ab", buffering=0) as out:

        def tell(text: str) -> None:
            os.write(out.fileno(), f"{text}\n".encode())

        with furniture.opened(directory, SystemClock(), SMALL) as engine:
            tell("try table")
            furniture.make_table(engine, key=("k",))
            tell("ok table")
            alive: list[int] = []
            for number in range(changes):
                _one(engine, random, number * 1000, alive, tell)
            tell("try close")


def _one(engine: Engine, random: Random, first: int, alive: list[int], tell) -> None:
    (table,) = engine.state.catalog.tables.values()
    act = random.choice(["insert", "insert", "insert", "load", "delete", "flush", "compact", "sweep"])
    if act == "insert":
        keys = list(range(first, first + random.randint(1, 3)))
    elif act == "load":
        keys = list(range(first, first + 200))
    else:
        keys = random.sample(alive, min(len(alive), 3)) if act == "delete" else []
    told = f"{act} {','.join(map(str, keys))}"
    tell(f"try {told}")
    if act == "insert":
        furniture.insert(engine, table, *[(k, "x" * random.randint(1, 300)) for k in keys])
        alive += keys
    elif act == "load":
        furniture.load(engine, table, *[(k, "x" * 40) for k in keys])
        alive += keys
    elif act == "delete":
        furniture.delete(engine, table, "k", *keys)
        alive[:] = [k for k in alive if k not in keys]
    elif act == "flush":
        furniture.flush(engine, table)
    elif act == "compact":
        furniture.compact(engine, table)
    else:
        sweep(engine)
    tell(f"ok {told}")


if __name__ == "__main__":
    directory, journal, seed, changes = sys.argv[1:]
    run(Path(directory), Path(journal), int(seed), int(changes))
