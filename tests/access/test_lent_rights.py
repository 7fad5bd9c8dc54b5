"""EXECUTE AS lends rights for a statement: whatever would last, or reaches beyond rows and definitions, is refused."""

from __future__ import annotations

import typing

from flight_server.parser.grammar.statement import parse
from flight_server.parser.statements import statement as statements
from flight_server.parser.statements.statement import Statement
from flight_server.sql.execute_as import LENT
from tests.access.lent_texts import LENT_TEXTS, NEVER_TEXTS

ALL = frozenset(typing.get_args(Statement))


def test_every_kind_of_statement_is_decided_here():
    lent = {type(parse(text)) for text in LENT_TEXTS}
    never = {type(parse(text)) for text in NEVER_TEXTS}
    assert not lent & never
    assert lent | never == ALL
    assert lent == LENT


def test_a_kind_of_statement_that_is_new_is_refused():
    """The list names what may be lent, so what is not in it may not."""
    assert LENT < ALL
    refused = ALL - LENT
    assert {kind for kind in ALL if kind.__name__.endswith(("User", "Storage", "Job", "Database", "Rights"))} <= refused
    assert all(hasattr(statements, kind.__name__) or kind in refused | LENT for kind in ALL)
