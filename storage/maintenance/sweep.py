"""Sweep removes files that nothing names any more. Safe to repeat, safe to interrupt.

  1. in each storage, files that no manifest, no open snapshot and no writer names
  2. entries in the key index of bulk loads that came to nothing
  3. records of the audit log that are too old or too many
The order of looking matters: first the folder, then the writers, then states and snapshots. A file that is being
committed meanwhile is in one of the later two. A storage that can't be reached does not hold up the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.cold.file_store import FileStore
from storage.errors import StorageUnavailable
from storage.failpoints import reach
from storage.primary_keys.release import release_keys
from storage.rowstore.audit_log import trim_operations
from storage.rowstore.table_versions import trim_dropped
from storage.state.state import file_address, live_files

if TYPE_CHECKING:
    from storage.engine import Engine


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What was removed."""

    files: int
    bytes: int


def sweep(engine: Engine) -> SweepResult:
    """Raises StorageUnavailable, once all that can be done is done."""
    files = freed = 0
    unreachable: list[StorageUnavailable] = []
    for place in engine.file_stores.every():
        try:
            removed = sweep_storage(engine, place)
        except StorageUnavailable as error:
            unreachable.append(error)
            continue
        files, freed = files + len(removed), freed + sum(removed)
    release_keys(engine.keys, engine.row_store, engine.committer.between_commits)
    trim_audit(engine)
    if unreachable:
        raise unreachable[0]
    return SweepResult(files=files, bytes=freed)


def sweep_storage(engine: Engine, place: FileStore) -> list[int]:
    """The bytes of each file that was removed. Raises StorageUnavailable."""
    removed = []
    for path in _unnamed(engine, place):
        reach("sweep.before_remove")
        bytes_ = place.remove(path)
        reach("sweep.after_remove")
        if bytes_ is not None:
            removed.append(bytes_)
    return removed


def _unnamed(engine: Engine, place: FileStore) -> list[str]:
    if engine.snapshots.keeps_every_file:
        return []  # a later sweep finds them
    listed = [path for path, _ in place.listed()]
    loose = [path for path in listed if not place.is_held(path)]
    named = set(live_files(engine.state)) | engine.user_partitions.addresses() | engine.snapshots.paths_in_use()
    return [path for path in loose if file_address(place.storage, path) not in named]


def trim_audit(engine: Engine) -> None:
    """Let records go that are too old or too many, those of dropped tables too. Raises StorageUnavailable."""
    settings, now, store = engine.settings, engine.time.settled(), engine.row_store
    gone = trim_operations(store, now, settings.audit_kept_days, settings.audit_records_max)
    gone += trim_dropped(store, now, settings.audit_kept_days)
    if gone:
        store.write(gone, durable=True)
