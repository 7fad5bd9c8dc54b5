"""Reading: SQL text in, Arrow batches out. The only importer of datafusion."""

from flight_server.query.channel import RunState
from flight_server.query.engine import Plan, QueryEngine
from flight_server.query.running import RunningQuery
from flight_server.query.scope import QueryScope
from flight_server.query.settings import QuerySettings

__all__ = ["Plan", "QueryEngine", "QueryScope", "QuerySettings", "RunState", "RunningQuery"]
