"""`system.*`: the server about itself, as tables computed when a statement asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from flight_server.access.grants import Deed
from flight_server.access.rights import Rights
from flight_server.access.sessions import Session
from flight_server.job_port import JobDoor
from flight_server.sql.running import RunningStatements
from flight_server.sql.show import create_table_sql
from flight_server.sql.transactions import SessionTransaction
from flight_server.sql.virtual_rows import table_of
from storage.engine import Engine
from storage.names import TableName
from storage.schema import TableDef
from storage.state import SEQ_TIME_SHIFT, DatabaseState

_MS = pa.timestamp("ms", tz="UTC")
_TEXT, _BIG, _INT, _BOOL = pa.string(), pa.int64(), pa.int32(), pa.bool_()
SCHEMA = "system"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts come from. `settings`: dotted key -> value, without secrets."""

    engine: Engine
    jobs: JobDoor
    statements: RunningStatements
    sessions: Iterable[Session]
    settings: Mapping[str, object]


def system_tables(sources: Sources, state: DatabaseState, who: Rights) -> dict[TableName, Callable[[], pa.Table]]:
    """Every system table that the caller may know of, to be called when named. `state`: with their catalog."""
    tables: dict[TableName, Callable[[], pa.Table]] = {
        _NAMES[name]: partial(_computed, name, rows, sources, state, who) for name, rows in _ROWS.items()
    }
    for name in hidden_tables(who):
        del tables[name]
    return tables


def hidden_tables(who: Rights) -> frozenset[TableName]:
    """System tables that do not exist for the caller."""
    return frozenset(name for name, deed in _NOT_FOR_ALL.items() if not who.may_do(deed))


def _computed(name: str, rows: _Rows, sources: Sources, state: DatabaseState, who: Rights) -> pa.Table:
    return table_of(_SCHEMAS[name], rows(sources, state, who))


def system_schemas() -> Mapping[TableName, pa.Schema]:
    """For metadata commands."""
    return MappingProxyType({_NAMES[name]: schema for name, schema in _SCHEMAS.items()})


def _namespaces(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for namespace in state.catalog.namespaces.values():
        tables = sum(1 for _name_ in state.catalog.names_in(namespace.name))
        yield namespace.name, namespace.description, tables, namespace.created_ms


def _tables(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        cold_bytes = sum(file.bytes for file in partition.cold)
        shown = list(table.options.shown().items())
        yield (
            *(table.name.namespace, table.name.table, str(table.kind), table.version, partition.rows),
            *(partition.hot_rows, partition.hot_bytes, len(partition.cold), cold_bytes, shown),
            *(table.comment, table.created_ms, create_table_sql(table)),
        )
    for view in state.catalog.views.values():
        yield (
            *(view.name.namespace, view.name.table, "view", None, None, None, None, None, None, []),
            *(view.comment, view.created_ms, view.sql or None),
        )


def _columns(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for position, column in enumerate(table.columns, start=1):
            key = table.primary_key.index(column.name) + 1 if column.name in table.primary_key else None
            yield (
                *(table.name.namespace, table.name.table, column.name, position, column.sql_type, str(column.type)),
                *(column.nullable, column.default_sql, key, column.comment),
            )


def _history(sources: Sources, state: DatabaseState, _: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for at in sources.engine.table_versions(table.table_id):
            yield _history_row(at)


def _history_row(table: TableDef) -> tuple[Any, ...]:
    changed_ms = table.changed_seq >> SEQ_TIME_SHIFT
    return table.name.namespace, table.name.table, table.version, changed_ms, create_table_sql(table)


def _users(_: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for user in sorted(state.catalog.users.values(), key=lambda user: user.name):
        if _may_know(who, user.name):
            yield user.name, user.role, user.email, user.created_ms, user.dropped_ms or None


def _grants(_: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for grant in sorted(state.catalog.grants.values(), key=lambda grant: grant.name):
        if _may_know(who, grant.name.user):
            table = grant.name.table
            for privilege in grant.privileges:
                yield (
                    *(grant.name.user, table.namespace, table.table, str(privilege)),
                    *(grant.granted_by, grant.granted_ms),
                )


def _audit_log(sources: Sources, _: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for event in sources.engine.audit():
        yield event.at_ms, event.user, event.as_user or None, event.action, event.object, event.detail


def _may_know(who: Rights, user: str) -> bool:
    """Whether what one user does and has is the caller's business."""
    return user == who.principal.name or who.may_do(Deed.SEE_OTHERS)


def _jobs(sources: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    names = {str(name) for name in state.catalog.tables}
    for job in sources.jobs.rows():
        if job.target not in names and not who.may_do(Deed.SEE_OTHERS):
            continue
        yield (
            *(job.job_id, job.job_type, job.status, job.target, list(dict(job.parameters).items()), job.message),
            *(job.progress, job.rows, job.bytes, job.attempts, job.priority, job.created_ms, job.started_ms),
            *(job.finished_ms, job.error, job.trigger),
        )


def _queries(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for query in sources.statements:
        if _may_know(who, query.user):
            yield (
                *(query.query_id, query.user, query.text, str(query.state), query.rows, query.bytes),
                *(query.elapsed_ms, query.started_ms),
            )


def _sessions(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for session in sources.sessions:
        if _may_know(who, session.principal.name):
            in_transaction = session.transaction is not None
            yield (
                *(session.id[:8], session.principal.name, session.namespace, session.time_zone, session.durability),
                *(in_transaction, len(session.prepared), session.started_ms),
            )


def _transactions(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    now_seconds = sources.engine.clock.monotonic_seconds()
    for session in sources.sessions:
        opened = session.transaction
        if isinstance(opened, SessionTransaction) and _may_know(who, session.principal.name):
            idle_ms = 0 if session.calls else int((now_seconds - session.last_used_seconds) * 1000)
            changed, definitions = opened.transaction.tables_changed, opened.transaction.definitions
            yield (
                *(opened.id.hex()[:8], session.id[:8], session.principal.name, opened.started_ms, idle_ms),
                *(opened.transaction.snapshot_seq, changed, definitions, len(opened.savepoints)),
            )


def _cold_files(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for file in state.partition(table.partition_id).cold:
            yield (
                *(table.name.namespace, table.name.table, file.file_id, file.path, file.rows, file.bytes),
                *(file.seq_min, file.seq_max, file.schema_version, file.checksum, file.created_ms),
            )


def _partitions(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        yield (
            *(partition.partition_id, table.name.namespace, table.name.table, partition.rows, partition.hot_rows),
            *(partition.hot_bytes, len(partition.hot), len(partition.cold), len(partition.deletes)),
        )


def _settings(sources: Sources, _: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for name, value in sorted(sources.settings.items()):
        yield name, str(value)


def _stats(sources: Sources, state: DatabaseState, _: Rights) -> Iterable[tuple[Any, ...]]:
    partitions = state.partitions.values()
    yield "hot_rows", sum(p.hot_rows for p in partitions)
    yield "hot_bytes", sum(p.hot_bytes for p in partitions)
    yield "cold_files", sum(len(p.cold) for p in partitions)
    yield "cold_bytes", sum(f.bytes for p in partitions for f in p.cold)
    yield "deleted_versions", sum(len(p.deletes) for p in partitions)
    yield "snapshots_open", sources.engine.snapshots.count()
    yield "last_seq", state.last_seq


_Rows = Callable[[Sources, DatabaseState, Rights], Iterable[tuple[Any, ...]]]
_ROWS: dict[str, _Rows] = {
    "namespaces": _namespaces,
    "tables": _tables,
    "columns": _columns,
    "table_history": _history,
    "users": _users,
    "grants": _grants,
    "audit_log": _audit_log,
    "jobs": _jobs,
    "queries": _queries,
    "sessions": _sessions,
    "transactions": _transactions,
    "cold_files": _cold_files,
    "partitions": _partitions,
    "settings": _settings,
    "stats": _stats,
}


def _schema(**fields: pa.DataType) -> pa.Schema:
    return pa.schema(list(fields.items()))


_SCHEMAS: dict[str, pa.Schema] = {
    "namespaces": _schema(namespace=_TEXT, description=_TEXT, tables=_BIG, created=_MS),
    "tables": _schema(
        namespace=_TEXT,
        table=_TEXT,
        kind=_TEXT,
        schema_version=_INT,
        rows=_BIG,
        hot_rows=_BIG,
        hot_bytes=_BIG,
        cold_files=_BIG,
        cold_bytes=_BIG,
        options=pa.map_(_TEXT, _TEXT),
        comment=_TEXT,
        created=_MS,
        definition=_TEXT,
    ),
    "columns": _schema(
        namespace=_TEXT,
        table=_TEXT,
        column=_TEXT,
        position=_INT,
        type=_TEXT,
        arrow_type=_TEXT,
        nullable=_BOOL,
        default=_TEXT,
        key_position=_INT,
        comment=_TEXT,
    ),
    "table_history": _schema(namespace=_TEXT, table=_TEXT, schema_version=_INT, changed=_MS, definition=_TEXT),
    "users": _schema(user=_TEXT, role=_TEXT, email=_TEXT, created=_MS, dropped=_MS),
    "grants": _schema(user=_TEXT, namespace=_TEXT, table=_TEXT, privilege=_TEXT, granted_by=_TEXT, granted=_MS),
    "audit_log": _schema(at=_MS, user=_TEXT, as_user=_TEXT, action=_TEXT, object=_TEXT, detail=_TEXT),
    "jobs": _schema(
        job_id=_TEXT,
        job_type=_TEXT,
        status=_TEXT,
        target=_TEXT,
        parameters=pa.map_(_TEXT, _TEXT),
        message=_TEXT,
        progress=pa.float64(),
        rows=_BIG,
        bytes=_BIG,
        attempts=_INT,
        priority=_INT,
        created=_MS,
        started=_MS,
        finished=_MS,
        error=_TEXT,
        trigger=_TEXT,
    ),
    "queries": _schema(
        query_id=_TEXT,
        user=_TEXT,
        text=_TEXT,
        state=_TEXT,
        rows=_BIG,
        bytes=_BIG,
        elapsed_ms=_BIG,
        started=_MS,
    ),
    "sessions": _schema(
        session=_TEXT,
        user=_TEXT,
        namespace=_TEXT,
        time_zone=_TEXT,
        durability=_TEXT,
        in_transaction=_BOOL,
        prepared_statements=_BIG,
        started=_MS,
    ),
    "transactions": _schema(
        transaction=_TEXT,
        session=_TEXT,
        user=_TEXT,
        started=_MS,
        idle_ms=_BIG,
        snapshot_seq=_BIG,
        tables_changed=_BIG,
        definitions_changed=_BIG,
        savepoints=_BIG,
    ),
    "cold_files": _schema(
        namespace=_TEXT,
        table=_TEXT,
        file_id=_BIG,
        path=_TEXT,
        rows=_BIG,
        bytes=_BIG,
        seq_min=_BIG,
        seq_max=_BIG,
        schema_version=_INT,
        checksum=_TEXT,
        created=_MS,
    ),
    "partitions": _schema(
        partition_id=_BIG,
        namespace=_TEXT,
        table=_TEXT,
        rows=_BIG,
        hot_rows=_BIG,
        hot_bytes=_BIG,
        hot_batches=_BIG,
        cold_files=_BIG,
        deleted_versions=_BIG,
    ),
    "settings": _schema(name=_TEXT, value=_TEXT),
    "stats": _schema(statistic=_TEXT, value=_BIG),
}
_NAMES = {name: TableName(SCHEMA, name) for name in _SCHEMAS}
# What is not for everybody; of all others each caller sees the rows that are their business.
_NOT_FOR_ALL = {
    _NAMES["audit_log"]: Deed.SEE_SERVER,
    _NAMES["settings"]: Deed.SEE_SERVER,
    _NAMES["stats"]: Deed.SEE_FIGURES,
}
