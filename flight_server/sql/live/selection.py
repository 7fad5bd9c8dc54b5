"""Selection is what a live query selects: the user's items and condition, run over a few rows that came or went.

The text is the user's own. It is planned over a relation with the table's columns and one more, HIDDEN: for changed
rows their place among them, for stored rows their `_seq`. So DataFusion decides what matches and what it looks like,
and which row each answer belongs to is known afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from flight_server.parser.statements.live import Subscribe
from flight_server.parser.text.lexer import mentions
from flight_server.query.engine import Plan, QueryEngine
from flight_server.query.results.client_types import client_type
from flight_server.query.scan.scope import QueryScope
from flight_server.sql.interface.request import never
from flight_server.sql.live.plain_condition import places_of, plain_condition
from storage.catalog.names import RESERVED_PREFIX, TableName, quoted
from storage.catalog.schema import DELETED, SEQ, SYSTEM_COLUMNS, UPDATED, UPDATED_TYPE, TableDef, TableKind
from storage.commit.deltas import NONE, Delta, no_rows, seqs_of, together
from storage.errors import InvalidRequest, NotSupported
from storage.seq import ms_of_each
from storage.state.batch_rows import no_rows as no_rows_of
from storage.state.batch_rows import rows_at
from storage.state.state import DatabaseState

CHANGE: Final = "_change"
OLD_KEY: Final = "_old_key"
HIDDEN: Final = f"{RESERVED_PREFIX}_at"
PLACE: Final = f"{RESERVED_PREFIX}_place"
ROWS: Final = f"{RESERVED_PREFIX}_rows"
INSERT, UPDATE, DELETE, PROGRESS = range(4)
KINDS: Final = pa.array(["insert", "update", "delete", "progress"])
_ROW_BY_ROW: Final = ("Projection:", "Filter:", "SubqueryAlias:", "TableScan:", "EmptyRelation:")
_REFUSED: Final = {
    "Aggregate:": "an aggregate", "WindowAggr:": "a window function", "Unnest:": "UNNEST", "Subquery:": "a subquery",
}  # fmt: skip
_UNGROUPED: Final = "42803"  # the hidden column stands beside it
_HIDDEN_NAME: Final = re.compile(rf"(?:, |(?<!\S))\S*\b{HIDDEN}\b")
_NAME: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\$(\d+)")

Params = Mapping[str, pa.Scalar]


def key_of(table: TableDef, statement: Subscribe, params: Params, time_zone: str) -> object:
    """The same for all that select the same of the same rows."""
    used = tuple((n, str(value.type), repr(value.as_py())) for n, value in sorted(_used(statement, params).items()))
    written = (statement.items_sql, statement.where_sql, _alias(statement))
    return table.partition_id, table.version, written, used, time_zone


class Selection:
    """One statement over one table, for given parameters. Safe from any thread."""

    def __init__(
        self, queries: QueryEngine, table: TableDef, statement: Subscribe, params: Params | None, time_zone: str
    ) -> None:
        """params: None = not known yet. Raises InvalidRequest, NotSupported for what can't be planned row by row."""
        self.key = key_of(table, statement, params or {}, time_zone)
        self.table = table
        self._statement = statement
        self._queries = queries
        self._time_zone = time_zone
        self._params = _used(statement, params)
        self._names_system = mentions(self._text('"x"'), SYSTEM_COLUMNS)
        plan = self._first_plan(bound=params is not None)
        _check_row_by_row(plan.shown)
        self.parameters = plan.parameters
        self._answer = plan.schema
        self._selected = [at for at, name in enumerate(plan.schema.names) if name not in (PLACE, HIDDEN, SEQ, UPDATED)]
        self.schema = pa.schema([*_head(table), *(plan.schema.field(at).with_nullable(True) for at in self._selected)])
        self._plain = _plain_columns(statement, table, plan.schema)
        self._condition = plain_condition(statement.where_sql, plan.shown, _alias(statement), table)
        self._progress: tuple[int, pa.RecordBatch] | None = None  # the last one: many readers want the same
        if len({CHANGE, OLD_KEY} & {plan.schema.names[at] for at in self._selected}):
            raise InvalidRequest(f"'{CHANGE}' and '{OLD_KEY}' are columns of every live query; use other aliases")

    @property
    def params(self) -> Params:
        return self._params

    def uses(self, column: str) -> bool:
        """Whether the column of this name matters to the statement."""
        return self._statement.has_star or column in self._statement.words or column in self.table.primary_key

    # --- stored rows ---------------------------------------------------------------------------------------

    def stored_sql(self, last_rows: int | None) -> str:
        """The query for the rows that are there, the oldest version first; of these only the newest `last_rows`."""
        columns = [quoted(column.name) for column in self.table.columns]
        columns += [quoted(name) for name in self._system_columns]
        name = self.table.name
        source = f'(SELECT {", ".join(columns)}, "{SEQ}" AS "{HIDDEN}" FROM {_quoted_name(name)})'
        sql = self._text(source)
        if last_rows is not None:
            sql = f'SELECT * FROM ({sql} ORDER BY "{PLACE}" DESC LIMIT {last_rows})'
        return f'SELECT * FROM ({sql}) ORDER BY "{PLACE}"'

    def stored_rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What came of `stored_sql`, as a live query shows it."""
        seqs = batch.column(0).to_numpy()
        kinds = np.full(batch.num_rows, INSERT)
        return self._shown(kinds, seqs, self._no_keys(batch.num_rows), batch)

    # --- changes -------------------------------------------------------------------------------------------

    def changes(self, delta: Delta) -> pa.RecordBatch:
        """What the changes mean to the statement, rising by `_seq`. Raises what evaluating it finds (1/0)."""
        rows = together([delta.old, delta.new], self.table)
        found = self._matching(rows)
        place = np.full(rows.num_rows, NONE)
        place[found.column(0).to_numpy()] = np.arange(found.num_rows)
        kinds, seqs, at, old = _told(delta, place[: delta.old.num_rows], place[delta.old.num_rows :])
        order = np.argsort(seqs, kind="stable")
        keys = self._keys(delta.old, old[order])
        return self._shown(kinds[order], seqs[order], keys, rows_at(found, at[order]))

    def progress(self, seq: int) -> pa.RecordBatch:
        """The row that says: all up to `seq` has been told."""
        made = self._progress
        if made is None or made[0] != seq:
            head = _head_columns(np.array([PROGRESS]), np.array([seq]), self._no_keys(1))
            empty = [_nulls(field.type) for field in list(self.schema)[len(head) :]]
            made = self._progress = (seq, pa.RecordBatch.from_arrays([*head, *empty], schema=self.schema))
        return made[1]

    def _matching(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The answer for `rows`, with their places in front, rising."""
        if self._plain is not None and self._condition is not None:  # the engine takes a millisecond
            at = places_of(self._condition, rows)
            places, rows = pa.array(at), rows if len(at) == rows.num_rows else rows_at(rows, at)
            columns = [rows.column(name) if name else places for name in self._plain]
            typed = [c if c.type == f.type else c.cast(f.type) for c, f in zip(columns, self._answer, strict=True)]
            return pa.RecordBatch.from_arrays(typed, schema=self._answer)
        plan = self._plan(self._source(rows), bound=True)
        answer = self._queries.collect(plan, never).combine_chunks()
        batches = answer.to_batches()
        found = batches[0] if batches else no_rows_of(plan.schema)
        places = found.column(0).to_numpy()
        return found if np.all(places[:-1] <= places[1:]) else rows_at(found, np.argsort(places, kind="stable"))

    def _shown(
        self, kinds: np.ndarray, seqs: np.ndarray, keys: pa.Array | None, rows: pa.RecordBatch
    ) -> pa.RecordBatch:
        selected = [rows.column(at) for at in self._selected]
        return pa.RecordBatch.from_arrays([*_head_columns(kinds, seqs, keys), *selected], schema=self.schema)

    def _keys(self, old: pa.RecordBatch, at: np.ndarray) -> pa.Array | None:
        """Of the row `at[i]` of `old`; NULL for NONE."""
        columns = self.table.key_columns
        if not columns:
            return None
        kind = self.schema.field(OLD_KEY).type
        values = [old.column(column.physical_name).cast(client_type(column.type)) for column in columns]
        whole = values[0] if len(values) == 1 else pa.StructArray.from_arrays(values, fields=list(kind))
        return whole.take(pa.array(at, mask=at == NONE))

    def _no_keys(self, rows: int) -> pa.Array | None:
        return pa.nulls(rows, self.schema.field(OLD_KEY).type) if self.table.primary_key else None

    # --- planning ------------------------------------------------------------------------------------------

    @property
    def _system_columns(self) -> tuple[str, ...]:
        """Those that the relation has because the statement names one of them."""
        if not self._names_system:
            return ()
        return (SEQ, UPDATED) if self.table.kind is TableKind.STREAM else SYSTEM_COLUMNS

    def _text(self, source: str) -> str:
        statement = self._statement
        where = "" if statement.where_sql is None else f" WHERE ({statement.where_sql})"
        return (
            f'SELECT "{HIDDEN}" AS "{PLACE}", {statement.items_sql} FROM {source} AS {quoted(_alias(statement))}{where}'
        )

    def _first_plan(self, *, bound: bool) -> Plan:
        try:
            return self._plan(self._source(no_rows(self.table)), bound=bound)
        except InvalidRequest as error:
            if error.sqlstate == _UNGROUPED:
                raise _not_row_by_row("an aggregate") from None
            shown = _HIDDEN_NAME.sub("", error.message)
            raise InvalidRequest(shown, sqlstate=error.sqlstate) from None

    def _plan(self, rows: pa.RecordBatch, *, bound: bool) -> Plan:
        scope = QueryScope(state=_NOTHING, extra={ROWS: [rows]}, time_zone=self._time_zone)
        return self._queries.plan(self._text(f'"{ROWS}"'), scope, self._params if bound else None)

    def _source(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """`rows` of storage as the relation that the text is planned over."""
        columns = {column.name: rows.column(column.physical_name) for column in self.table.columns}
        if self._names_system:
            seqs = seqs_of(rows)
            columns[SEQ], columns[UPDATED] = pa.array(seqs), _times(seqs)
            if DELETED in self._system_columns:
                columns[DELETED] = pa.array(np.zeros(rows.num_rows, dtype=bool))
        columns[HIDDEN] = pa.array(np.arange(rows.num_rows))
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _told(
    delta: Delta, old_place: np.ndarray, new_place: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(kinds, `_seq`s, places in the answer, rows of `old`) of what is told; places are NONE where nothing matched.

    1. old rows that nothing replaced: delete, if they matched
    2. new rows that matched: update if they replaced a row that matched, else insert
    3. new rows that did not match: delete of the row that they replaced, if that one matched
    """
    rows = np.arange(len(new_place))
    has_old = delta.replaced != NONE
    before = np.where(has_old, old_place[delta.replaced] if len(old_place) else NONE, NONE)
    gone = old_place != NONE
    gone[delta.replaced[has_old]] = False
    deleted = np.flatnonzero(gone)
    shown = np.flatnonzero((new_place != NONE) | (before != NONE))
    after, was = new_place[shown], before[shown]
    kinds = np.where(after == NONE, DELETE, np.where(was == NONE, INSERT, UPDATE))
    old = np.where(was == NONE, NONE, delta.replaced[rows[shown]])
    return (
        np.concatenate([np.full(len(deleted), DELETE), kinds]),
        np.concatenate([delta.commits[deleted], seqs_of(delta.new)[shown]]),
        np.concatenate([old_place[deleted], np.where(after == NONE, was, after)]),
        np.concatenate([deleted, old]),
    )


def _head(table: TableDef) -> list[pa.Field]:
    """The columns that every live query has. The old key: its one column's type, or a struct of several."""
    head = [
        pa.field(CHANGE, pa.string(), nullable=False),
        pa.field(SEQ, pa.int64(), nullable=False),
        pa.field(UPDATED, UPDATED_TYPE, nullable=False),
    ]
    fields = [pa.field(column.name, client_type(column.type)) for column in table.key_columns]
    if not fields:
        return head
    return [*head, pa.field(OLD_KEY, fields[0].type if len(fields) == 1 else pa.struct(fields))]


def _head_columns(kinds: np.ndarray, seqs: np.ndarray, keys: pa.Array | None) -> list[pa.Array]:
    return [KINDS.take(pa.array(kinds)), pa.array(seqs), _times(seqs), *([] if keys is None else [keys])]


def _times(seqs: np.ndarray) -> pa.Array:
    return pa.array(ms_of_each(seqs)).cast(UPDATED_TYPE)


def _nulls(kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _nulls(kind.storage_type))
    return pa.nulls(1, kind)


def _plain_columns(statement: Subscribe, table: TableDef, answer: pa.Schema) -> list[str] | None:
    """Where `answer` comes from, column by column, if nothing is computed: physical names, "" for the place. None when
    the engine has to look."""
    items = [item.strip() for item in statement.items_sql.split(",")]
    if not all(item == "*" or _NAME.fullmatch(item) for item in items):
        return None
    known = {column.name: column.physical_name for column in table.columns} | {PLACE: "", HIDDEN: ""}
    return [known[name] for name in answer.names] if known.keys() >= set(answer.names) else None


def _alias(statement: Subscribe) -> str:
    return statement.table.alias or statement.table.table


def _used(statement: Subscribe, params: Params | None) -> Params:
    """The parameters that decide about rows; others are options."""
    text = f"{statement.items_sql} {statement.where_sql or ''}"
    names = set(_PLACEHOLDER.findall(text))
    return {name: value for name, value in (params or {}).items() if name in names}


def _check_row_by_row(plan: str) -> None:
    """Raises NotSupported."""
    for line in plan.splitlines():
        node = line.strip()
        if not node.startswith(_ROW_BY_ROW):
            what = next((name for start, name in _REFUSED.items() if node.startswith(start)), node.split(":")[0])
            raise _not_row_by_row(what)


def _not_row_by_row(what: str) -> NotSupported:
    return NotSupported(
        f"{what} in SUBSCRIBE is not supported; a live query looks at one row at a time: select from one table with a "
        "WHERE"
    )


def _quoted_name(name: TableName) -> str:
    return f"{quoted(name.namespace)}.{quoted(name.table)}"


_NOTHING: Final = DatabaseState()
