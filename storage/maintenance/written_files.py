"""Removes the files that maintenance wrote for an edit which was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.state.state import ColdFile

if TYPE_CHECKING:
    from storage.engine import Engine


@contextmanager
def discarded_if_refused(engine: Engine, files: Iterable[ColdFile], partition_id: int) -> Iterator[None]:
    """Around the commit of `files`: after an error those go that are no part of the partition."""
    try:
        yield
    except Exception:
        for file in files:
            _discard_unless_live(engine, file, partition_id)
        raise


def _discard_unless_live(engine: Engine, file: ColdFile, partition_id: int) -> None:
    """After an unknown outcome the sweep decides, once that is known."""
    if engine.health == "ok" and file.file_id not in {f.file_id for f in engine.state.partition(partition_id).cold}:
        engine.file_stores.discard(file)
