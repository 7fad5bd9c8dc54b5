"""Session functions: values of the words that ask who calls, in which namespace, and what server this is.

    current_user    whose rights the statement has; another one's under EXECUTE AS
    session_user    who logged in
    current_role    the role of current_user
    current_schema  the session's namespace

In queries and changes they are written out before a statement is read, since the rows of an INSERT may never come to
the engine. In the texts of definitions they stay; there they stand for whoever runs the statement that plans them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from flight_server.access.sessions.session import Session
from flight_server.parser.dialect.session_words import Words
from storage.catalog.names import CATALOG
from storage.errors import InvalidRequest

ISOLATION: Final = "repeatable read"  # what PostgreSQL calls one snapshot for a transaction


def words_of(session: Session) -> Words:
    """Upper-case word -> what it stands for in this session."""
    who = session.principal
    logged_in = session.acting_for or who
    return {
        "CURRENT_USER": who.name,
        "USER": who.name,
        "SESSION_USER": logged_in.name,
        "CURRENT_ROLE": str(who.role),
        "CURRENT_SCHEMA": session.namespace,
        "SCHEMA": session.namespace,
        "CURRENT_CATALOG": CATALOG,
        "CURRENT_DATABASE": CATALOG,
        "DATABASE": CATALOG,
        "VERSION": server_version(),
    }


@cache
def _number() -> str:
    return version("frostline")


@cache
def server_version() -> str:
    """Name and version, as drivers read it: `Frostline 0.1.0`."""
    return f"Frostline {_number()}"


# What SHOW tells beside the session's options: PostgreSQL's names for what is always so.
FACTS: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "server_version": _number,
        "server_encoding": lambda: "UTF8",
        "client_encoding": lambda: "UTF8",
        "standard_conforming_strings": lambda: "on",
        "transaction_isolation": lambda: ISOLATION,
        "default_transaction_isolation": lambda: ISOLATION,
    }
)


def check_fact(name: str, value: str | None) -> None:
    """SET of what is always so, to what it is. Raises InvalidRequest (22023) for another value."""
    fact = FACTS[name]()
    if value is not None and value.lower().replace("-", "") != fact.lower():
        raise InvalidRequest(f"{name} is always '{fact}'; it can't be set to '{value[:60]}'")
