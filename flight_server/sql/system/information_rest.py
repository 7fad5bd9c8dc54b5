"""Views of `information_schema` that hold what every database of ours has: functions, a character set, a collation; and
those that stay empty, since there are no such things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pyarrow as pa

from flight_server.query.sessions.functions import functions
from flight_server.sql.system.information_columns import COLLATION, TYPES_OF
from storage.catalog.names import CATALOG

Rows = Iterable[tuple[Any, ...]]


_INTEGERS: Final = ("ordinal_position", "action_order")


def _columns(names: str) -> pa.Schema:
    return pa.schema([(name, pa.int32() if name in _INTEGERS else pa.string()) for name in names.split()])


_ROUTINE: Final = "specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name"
_PARAMETER: Final = (
    "specific_catalog specific_schema specific_name ordinal_position parameter_mode is_result as_locator "
    "parameter_name data_type parameter_default"
)
_TRIGGER: Final = (
    "trigger_catalog trigger_schema trigger_name event_manipulation event_object_catalog event_object_schema "
    "event_object_table action_order action_condition action_statement action_orientation action_timing"
)
REST_SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "information_schema_catalog_name": _columns("catalog_name"),
    "character_sets": _columns(
        "character_set_catalog character_set_schema character_set_name character_repertoire form_of_use "
        "default_collate_catalog default_collate_schema default_collate_name"
    ),
    "collations": _columns("collation_catalog collation_schema collation_name pad_attribute"),
    "routines": _columns(
        f"{_ROUTINE} routine_type data_type routine_body routine_definition external_language is_deterministic "
        "sql_data_access security_type function_type routine_comment"
    ),
    "parameters": _columns(_PARAMETER),
    "triggers": _columns(_TRIGGER),
}


def rest_views() -> Mapping[str, Callable[[], Rows]]:
    """Name -> what gives its rows."""
    return {
        "information_schema_catalog_name": lambda: [(CATALOG,)],
        "character_sets": lambda: [(None, None, "UTF8", "UCS", "UTF8", CATALOG, TYPES_OF, COLLATION)],
        "collations": lambda: [(CATALOG, TYPES_OF, COLLATION, "NO PAD")],
        "routines": _routines,
        "parameters": lambda: (),
        "triggers": lambda: (),
    }


def _routines() -> Rows:
    """A function of several kinds has a specific name for each."""
    for function in functions():
        kind = function.kind.lower()
        specific = f"{function.name}_{kind}"
        name = (CATALOG, TYPES_OF, specific, CATALOG, TYPES_OF, function.name)
        body = (None, "EXTERNAL", None, None, None, "CONTAINS SQL", "INVOKER")
        yield (*name, "FUNCTION", *body, kind, function.description or "")
