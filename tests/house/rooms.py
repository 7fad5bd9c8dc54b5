"""The rooms and who may import whom, as data. A room is a folder; `storage/engine` is one by itself."""

from __future__ import annotations

from typing import Final

FILES_MAX: Final = 15  # in a room

_STORAGE: Final = "storage", "storage/catalog", "storage/state"
_READS: Final = *_STORAGE, "storage/engine"
_ACCESS: Final = "flight_server/access", "flight_server/access/sessions"
_TEXT: Final = "flight_server/parser/text", "flight_server/parser/statements"
_QUERY: Final = "flight_server/query", "flight_server/query/scan", "flight_server/query/results"

# Room -> what its files may import, beside each other. What is not here may import nothing of ours.
MAY_IMPORT: Final[dict[str, tuple[str, ...]]] = {
    "storage": (),  # errors, clocks, settings, sizes: they know of nothing but each other
    "storage/catalog": ("storage",),
    "storage/state": ("storage", "storage/catalog"),
    "storage/rowstore": _STORAGE,
    "storage/cold": _STORAGE,
    "storage/primary_keys": (*_STORAGE, "storage/rowstore", "storage/cold"),
    "storage/group_commit": (*_STORAGE, "storage/rowstore", "storage/primary_keys"),
    "storage/commit": (*_STORAGE, "storage/rowstore", "storage/cold", "storage/primary_keys", "storage/group_commit"),
    "storage/transactions": (*_STORAGE, "storage/cold", "storage/primary_keys"),  # the rest comes as `services`
    "storage/engine": (
        *_STORAGE,
        "storage/rowstore",
        "storage/cold",
        "storage/primary_keys",
        "storage/commit",
        "storage/transactions",
    ),
    "storage/backup": (*_READS, "storage/rowstore", "storage/cold", "storage/primary_keys"),
    "storage/maintenance": (*_READS, "storage/rowstore", "storage/cold", "storage/primary_keys"),
    "jobs": (*_READS, "storage/maintenance"),
    "jobs/executors": ("jobs", *_READS, "storage/rowstore", "storage/maintenance", "storage/backup"),
    "jobs/planning": ("jobs", "jobs/executors", *_READS, "storage/maintenance", "storage/backup"),
    "flight_server/wire": ("storage",),
    "flight_server/metadata": ("flight_server/wire", "storage", "storage/catalog"),
    "flight_server/access": ("storage", "storage/catalog"),
    "flight_server/access/login": ("flight_server/access", "storage", "storage/catalog"),
    "flight_server/access/sessions": (
        "flight_server/access",
        "flight_server/wire",
        "storage",
        "storage/catalog",
        "storage/transactions",
    ),
    "flight_server/calls": (*_ACCESS, "flight_server/access/login", "flight_server/wire", "storage", "storage/catalog"),
    "flight_server/parser/statements": ("storage", "storage/catalog"),
    "flight_server/parser/text": ("flight_server/parser/statements", "storage", "storage/catalog"),
    "flight_server/parser/dialect": ("flight_server/parser/text", "storage", "storage/catalog"),
    # `sessions` has the engine's own list of its functions.
    "flight_server/parser/guard": ("flight_server/parser/text", "flight_server/query/sessions", "storage"),
    "flight_server/parser/grammar": (
        *_TEXT,
        "flight_server/parser/dialect",
        "flight_server/parser/guard",
        "storage",
        "storage/catalog",
    ),
    "flight_server/parser": (
        *_TEXT,
        "flight_server/parser/dialect",
        "flight_server/parser/guard",
        "flight_server/parser/grammar",
    ),
    "flight_server/rewrite/tree": ("storage", "storage/catalog"),
    "flight_server/rewrite/columns": ("flight_server/rewrite/tree", "storage"),
    "flight_server/rewrite/values": ("flight_server/rewrite/tree", "storage"),
    "flight_server/rewrite/clauses": ("flight_server/rewrite/tree", "storage"),
    "flight_server/rewrite/subqueries": ("flight_server/rewrite/tree", "flight_server/rewrite/columns", "storage"),
    "flight_server/rewrite": tuple(
        f"flight_server/rewrite/{name}" for name in ("tree", "columns", "values", "clauses", "subqueries")
    ),
    "flight_server/query/errors": ("storage", "storage/catalog"),
    "flight_server/query/results": ("storage",),
    "flight_server/query/scan": (
        "flight_server/parser/text",
        "flight_server/parser/dialect",
        *_STORAGE,
        "storage/cold",
    ),
    "flight_server/query/sessions": (
        "flight_server/parser/text",
        "flight_server/query/errors",
        "flight_server/query/scan",
        "storage",
        "storage/catalog",
    ),
    "flight_server/query/times": (
        "flight_server/parser/text",
        "flight_server/parser/dialect",
        "flight_server/query/errors",
        "flight_server/query/scan",
        "storage",
        "storage/catalog",
    ),
    "flight_server/query/care": (
        "flight_server/query/errors",
        "flight_server/query/sessions",
        "flight_server/rewrite",
        "flight_server/rewrite/tree",
        "flight_server/rewrite/subqueries",
        "storage",
        "storage/catalog",
    ),
    "flight_server/query": (
        "flight_server/parser/text",
        "flight_server/parser/dialect",
        *(f"flight_server/query/{name}" for name in ("errors", "results", "scan", "sessions", "times", "care")),
        *_STORAGE,
        "storage/cold",
    ),
    "flight_server/sandbox": (
        *_QUERY,
        *(f"flight_server/query/{name}" for name in ("errors", "sessions", "care")),
        *_STORAGE,
        "storage/cold",
    ),
    "flight_server/sql/interface": (
        "flight_server/access/sessions",
        "flight_server/wire",
        "storage",
        "storage/catalog",
    ),
    "flight_server/sql/context": (
        *_ACCESS,
        "flight_server/access/login",
        *_TEXT,
        "flight_server/parser/dialect",
        *_QUERY,
        "flight_server/sql/interface",
        *_READS,
        "storage/rowstore",
        "storage/transactions",
    ),
    "flight_server/sql/change": (
        *_TEXT,
        "flight_server/parser/grammar",
        "flight_server/query/errors",
        "flight_server/query/results",
        "flight_server/sql/context",
        *_READS,
        "storage/primary_keys",
    ),
    "flight_server/sql/define": (
        *_ACCESS,
        "flight_server/access/login",
        *_TEXT,
        *_QUERY,
        "flight_server/sql/context",
        "flight_server/sql/change",
        *_READS,
        "storage/cold",
        "storage/primary_keys",
        "storage/transactions",
        "storage/maintenance",
    ),
    "flight_server/sql/show": (*_ACCESS, *_TEXT, "flight_server/sql/context", *_READS),
    "flight_server/sql/live": (
        *_ACCESS,
        *_TEXT,
        *_QUERY,
        "flight_server/sql/interface",
        "flight_server/sql/context",
        *_READS,
        "storage/cold",
        "storage/commit",
    ),
    "flight_server/sql/scopes": (
        *_ACCESS,
        "flight_server/parser/statements",
        *_QUERY,
        "flight_server/sql/interface",
        "flight_server/sql/context",
        "flight_server/sql/live",
        *_READS,
        "storage/rowstore",
        "storage/transactions",
    ),
    "flight_server/sql/run": (
        *_ACCESS,
        "flight_server/parser/dialect",
        "flight_server/parser/statements",
        *_QUERY,
        "flight_server/wire",
        *(f"flight_server/sql/{name}" for name in ("interface", "context", "change", "define", "live", "scopes")),
        *_READS,
        "storage/backup",
    ),
    "flight_server/sql/system": (
        *_ACCESS,
        "flight_server/access/login",
        *_TEXT,
        "flight_server/query/sessions",
        "flight_server/sql/context",
        "flight_server/sql/show",
        "flight_server/sql/live",
        "flight_server/sql/scopes",
        *_READS,
    ),
    "flight_server/sql": (
        *_ACCESS,
        "flight_server/parser",
        "flight_server/parser/guard",
        *_TEXT,
        "flight_server/wire",
        *(
            f"flight_server/sql/{name}"
            for name in ("interface", "context", "change", "define", "show", "live", "system", "scopes", "run")
        ),
        *_READS,
    ),
    "flight_server/flight": (
        *_ACCESS,
        "flight_server/access/login",
        "flight_server/calls",
        "flight_server/metadata",
        "flight_server/query/results",
        "flight_server/sql/interface",
        "flight_server/wire",
        *_READS,
    ),
    "flight_server/monitoring": ("flight_server/sql/system", "storage"),
}
# The composition root sees every room; its one file `app` alone sees jobs.
COMPOSITION_ROOT: Final = "flight_server"
SEES_JOBS: Final = "flight_server/app.py"
