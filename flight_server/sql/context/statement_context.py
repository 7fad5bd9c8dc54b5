"""StatementContext is what one running statement has at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.access.login.passwords import Passwords
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.parser.statements.table_ref import TableRef
from flight_server.query.apart import Admit, admitted
from flight_server.query.engine import Plan, QueryEngine, row_view
from flight_server.query.results.client_types import is_narrow_float
from flight_server.query.scan.scope import QueryScope
from flight_server.sql.context.commit_rights import CommitRights
from flight_server.sql.context.default_values import Generator
from flight_server.sql.context.job_service import JobService
from flight_server.sql.context.session_functions import words_of
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE, TEMPORARY, TableName
from storage.catalog.schema import TableDef, TableKind
from storage.catalog.users import Privilege
from storage.clock import Clock
from storage.engine import Engine
from storage.errors import InvalidRequest
from storage.rowstore.owners import OwnerKey
from storage.transactions.transaction import Transaction

Params = Mapping[str, pa.Scalar]
Virtual = Mapping[TableName, Callable[[], pa.Table]]


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms behind the statements."""

    engine: Engine
    queries: QueryEngine
    jobs: JobService
    clock: Clock
    defaults: Generator
    passwords: Passwords
    user_grace_ms: int  # for which a dropped user can be brought back


@dataclass(frozen=True, slots=True)
class StatementContext:
    """One statement under way: who runs it, on what state, with which parameters.

    rights:  of whoever runs it, as they are now
    owner_key: who that is, as the owner of rows in user tables
    text:    the statement as written (after time travel is rewritten): says which system columns it names
    params:  "1", "2", .. -> value; None when the statement has none
    rows:    bare name -> rows that the statement may name beside tables
    admit:   waits until the statement may stream
    make_virtual: gives the system tables as this caller sees them
    commit_rights: what was needed so far, of the session's transaction if it is in one
    """

    services: Services
    session: Session
    transaction: Transaction
    cancelled: Callable[[], bool]
    rights: Rights
    owner_key: OwnerKey
    text: str = ""
    params: Params | None = None
    rows: Mapping[str, pa.Table] = field(default_factory=lambda: MappingProxyType({}))
    admit: Admit = admitted
    make_virtual: Callable[[StatementContext], Virtual] = lambda _: MappingProxyType({})
    commit_rights: CommitRights = field(default_factory=CommitRights)

    @property
    def virtual(self) -> Virtual:
        """System tables, each computed when called."""
        return self.make_virtual(self)

    @property
    def catalog(self) -> Catalog:
        """What the caller may know of."""
        return self.rights.visible(self.transaction.catalog)

    @property
    def namespace(self) -> str:
        return self.session.namespace

    def name(self, ref: TableRef) -> TableName:
        """What the reference means: a bare name a temporary table, if there is such a one, as in a query."""
        if ref.namespace is None and self.transaction.has_temporary:
            own = TableName(TEMPORARY, ref.table)
            if own in self.transaction.catalog.tables:
                return own
        return self.new_name(ref)

    def new_name(self, ref: TableRef) -> TableName:
        """What CREATE means by the reference: the session's namespace is filled in."""
        return TableName(ref.namespace or self.namespace or DEFAULT_NAMESPACE, ref.table)

    def table(self, ref: TableRef) -> TableDef:
        """The table as the transaction sees it, a user table with the caller's own rows. Raises NotFound,
        InvalidRequest (a system table)."""
        name = self.name(ref)
        if name.is_reserved:
            raise InvalidRequest(f"'{name}' is a system table; it can only be read", sqlstate="42809")
        return self.own(self.catalog.table(name))

    def own(self, table: TableDef) -> TableDef:
        """A user table with the caller's own rows; any other as it is."""
        if table.kind is not TableKind.USER:
            return table
        return table.owned_by(self.services.engine.users.owner(self.owner_key))

    def for_each_owner(self, table: TableDef) -> Iterator[StatementContext]:
        """This context for each owner of rows in a user table, for checks that go before a definition; for any other
        table just this one."""
        if table.kind is not TableKind.USER:
            yield self
            return
        engine = self.services.engine
        keys = {self.owner_key, *(engine.owners.key_of(number) for number in engine.users.owner_numbers(table))}
        for key in keys:
            yield replace(self, owner_key=key)

    def require(self, privilege: Privilege, name: TableName) -> None:
        """Now, and again at COMMIT. Raises PermissionDenied, NotFound."""
        self.rights.require(privilege, name, self.transaction.catalog)
        self.commit_rights.add(self.session, (privilege, name))

    def require_action(self, action: Action) -> None:
        """Now, and again at COMMIT. Raises PermissionDenied."""
        self.rights.require_action(action)
        self.commit_rights.add(self.session, action)

    def scope(self, extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] | None = None) -> QueryScope:
        """What the engine may see: the transaction's state, with `extra` rows under bare names."""
        state, rights, now = self.transaction.state, self.rights, self.services.engine.time.now()
        return QueryScope(
            state=state,
            known=rights.visible(state.catalog),
            allow=lambda name: rights.require(Privilege.SELECT, name, state.catalog),
            opens=lambda view: rights.opens(view, state.catalog),
            caller=rights.key,
            owner_key=self.owner_key,
            own=self.own,
            namespace=self.namespace,
            virtual=self.virtual,
            extra={**self.rows, **(extra or {})},
            now_ms=now.database_ms,
            wall_ms=now.wall_ms,
            time_zone=self.session.time_zone,
            words=partial(words_of, self.session),
        )

    def plan(
        self,
        sql: str,
        casts: Mapping[str, pa.DataType] | None = None,
        extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] | None = None,
    ) -> Plan:
        """Plan a SELECT made from the statement; `casts`: output column -> type it must come in (but REAL,
        whose overflow only `rows.cast_column` sees)."""
        rows = row_view(self.text or sql)
        casts = {name: kind for name, kind in (casts or {}).items() if not is_narrow_float(kind)}
        return self.services.queries.plan(sql, self.scope(extra), self.params, rows=rows, casts=casts)

    def stream(
        self,
        sql: str,
        casts: Mapping[str, pa.DataType] | None = None,
        extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Run `plan(..)`, batch by batch. Raises as the engine does, and Cancelled."""
        return self.services.queries.stream(self.plan(sql, casts, extra), self.cancelled, self.admit)

    def collect(
        self,
        sql: str,
        casts: Mapping[str, pa.DataType] | None = None,
        extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] | None = None,
    ) -> pa.Table:
        """Run `plan(..)` and give everything; for small results."""
        return self.services.queries.collect(self.plan(sql, casts, extra), self.cancelled, self.admit)

    def stream_positional(self, sql: str, types: Sequence[pa.DataType], into: str) -> Iterator[pa.RecordBatch]:
        """The user's own query for table `into`: column i comes in types[i]. Raises InvalidRequest (count)."""
        plan = self.plan(sql)
        names = plan.schema.names
        if len(names) != len(types):
            raise InvalidRequest(
                f"the query gives {len(names)} columns for {len(types)} of table '{into}'", sqlstate="42601"
            )
        if len(set(names)) == len(names):
            plan = self.plan(sql, dict(zip(names, types, strict=True)))
        return self.services.queries.stream(plan, self.cancelled, self.admit)

    def with_params(self, params: Params) -> StatementContext:
        return replace(self, params=params)
