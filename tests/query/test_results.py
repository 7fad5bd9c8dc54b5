"""A planned query as the service holds it: begun once, and stopped whenever somebody says so."""

from __future__ import annotations

from functools import partial

import pytest

from flight_server.query import QueryEngine
from flight_server.sql.context.admission import Admission, Limits
from flight_server.sql.context.results import RowsResult
from flight_server.sql.context.running_statements import RunningState, RunningStatements
from storage.clock import ManualClock
from storage.errors import Cancelled
from tests.support.query_database import Database

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"


def test_a_query_that_is_cancelled_while_it_begins_does_not_begin(queries: QueryEngine, db: Database):
    """With nothing there yet that could be stopped, `cancel` alone would come to nothing."""
    statements = RunningStatements(ManualClock(), Admission(Limits(1, 1, 1.0), ManualClock()))
    statement = statements.add("root", ENDLESS)
    released: list[int] = []
    plan = queries.plan(ENDLESS, db.scope())
    result = RowsResult(
        plan.schema,
        partial(queries.start, plan),
        statements,
        statement,
        lambda: released.append(1),
        lambda: result.cancel("the client went away"),
    )
    with pytest.raises(Cancelled, match="the client went away"):
        result.start()
    assert statement.state is RunningState.CANCELLED
    assert released
