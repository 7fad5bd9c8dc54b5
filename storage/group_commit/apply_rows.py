"""Applies inserted and deleted rows of an edit to its draft, checked against the state before it."""

from __future__ import annotations

import msgspec
import numpy as np

from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.errors import Conflict
from storage.group_commit.draft import Draft
from storage.primary_keys.encoding import load_entry, seq_entries
from storage.primary_keys.index import loading_key
from storage.rowstore.catalog_records import load_operation
from storage.rowstore.delete_records import delete_record
from storage.rowstore.keys import HOT, META, PK, pair_key, pk_key, pk_prefix
from storage.rowstore.row_codec import encode_rows
from storage.rowstore.row_store import Put, PutEach, Remove
from storage.state import transitions as transition
from storage.state.edits import RowChange
from storage.state.row_versions import with_seq
from storage.state.state import PartitionState


def insert_rows(draft: Draft, table: TableDef, state: PartitionState, change: RowChange) -> PartitionState:
    for batch in change.inserts:
        if batch.num_rows == 0:
            continue
        first = draft.next_seq
        key = pair_key(table.partition_id, first)
        draft.operations.append(Put(HOT, key, encode_rows(batch, table.version)))
        state = transition.with_rows(state, with_seq(batch, first))
        draft.next_seq += batch.num_rows
    return state


def insert_files(draft: Draft, table: TableDef, state: PartitionState, change: RowChange) -> PartitionState:
    """Staged files hold ordinals; the load's first `_seq` becomes their base."""
    if not change.staged:
        return state
    base = draft.next_seq
    files = tuple(
        msgspec.structs.replace(f, seq_base=base + f.seq_base, seq_min=base + f.seq_min, seq_max=base + f.seq_max)
        for f in change.staged
    )
    draft.name_files(table.partition_id, files)
    draft.next_seq += sum(file.rows for file in files)
    if change.load_id and table.primary_key:
        draft.operations.append(load_operation(change.load_id, base, table.partition_id))
        draft.operations.append(Remove(META, loading_key(change.load_id)))
        draft.loads[change.load_id] = base
    late = change.late_keys
    draft.operations += [Put(PK, pk_key(table.partition_id, k), load_entry(change.load_id, n)) for k, n in late]
    draft.keys |= {pk_key(table.partition_id, k): base + n for k, n in late}
    state = transition.with_files(state, files)
    if change.staged_deletes is None or len(change.staged_deletes) == 0:
        return state
    seqs = np.sort(change.staged_deletes + base)
    draft.operations.append(delete_record(table.partition_id, base, seqs))
    return transition.with_deletes(state, seqs, base)


def record_deletes(draft: Draft, table: TableDef, ordered: np.ndarray, change: RowChange) -> None:
    draft.operations.append(delete_record(table.partition_id, draft.first_seq, ordered))
    # A delete takes a `_seq` of its own, so that no later commit can share its time.
    draft.next_seq = max(draft.next_seq, draft.first_seq + 1)
    prefix, kept = pk_prefix(table.partition_id), frozenset(change.new_keys)
    gone = [prefix + key for key in change.deleted_keys if key not in kept]  # those kept get a new entry
    draft.operations += [Remove(PK, full) for full in gone]
    draft.keys |= dict.fromkeys(gone)


def record_keys(draft: Draft, table: TableDef, change: RowChange) -> None:
    if not change.new_keys:
        return
    first = draft.next_seq - sum(b.num_rows for b in change.inserts) - sum(f.rows for f in change.staged)
    prefix, keys = pk_prefix(table.partition_id), change.new_keys
    draft.operations.append(PutEach(PK, prefix, keys, seq_entries(np.arange(first, first + len(keys)))))
    draft.keys |= {prefix + key: first + row for row, key in enumerate(keys)}


def current_table(catalog: Catalog, seen: TableDef) -> TableDef:
    """The table as it is now; a Conflict when it is not what the statement saw."""
    table = catalog.tables.get(seen.name)
    if table is None or table.table_id != seen.table_id:
        raise Conflict(f"table '{seen.name}' was dropped or replaced while the statement ran; run it again")
    if table.version != seen.version:
        raise Conflict(f"table '{seen.name}' was altered while the statement ran; run it again")
    return table if seen.owner is None else table.owned_by(seen.owner)


def check_live(state: PartitionState, deletes: np.ndarray, table: TableDef) -> None:
    if len(deletes) and state.deletes.contains(deletes).any():
        raise Conflict(f"a row of table '{table.name}' was changed by another transaction first; run yours again")
