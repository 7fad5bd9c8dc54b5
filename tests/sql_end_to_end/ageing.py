"""Makes a dropped user older."""

from __future__ import annotations

from pathlib import Path

import msgspec

from storage.clock import DAY_MS, SystemClock
from storage.engine import Engine
from storage.settings import StorageSettings
from storage.state.edits import Edit


def age(data: Path, user: str, *, days: int) -> None:
    """Move the drop of a user into the past."""
    engine = Engine.open(data, StorageSettings(), SystemClock())
    record = engine.state.catalog.users[user]
    moved = msgspec.structs.replace(record, dropped_ms=record.dropped_ms - days * DAY_MS)
    engine.commit(Edit(catalog=lambda catalog: catalog.with_user(moved)))
    engine.close()
