"""Queries: SQL text in, Arrow batches out. The only importer of datafusion.

`engine` plans and runs; the rooms below it are what it stands on. What a caller may not see is not in the catalog that
their names are looked up in, and a statement that is cancelled ends soon.
"""

from flight_server.query.engine import Plan, QueryEngine
from flight_server.query.results.channel import RunState
from flight_server.query.results.running_query import RunningQuery
from flight_server.query.scan.scope import QueryScope
from flight_server.query.sessions.settings import QuerySettings

__all__ = ["Plan", "QueryEngine", "QueryScope", "QuerySettings", "RunState", "RunningQuery"]
