"""EXECUTE AS lends rights for a statement: whatever would last, or reaches beyond rows and definitions, is refused."""

from __future__ import annotations

from flight_server.parser.statements.users import ExecuteAs
from flight_server.sql.statement_kinds import KINDS
from tests.access.lent_texts import LENT_TEXTS, NEVER_TEXTS
from tests.support.parsed import parse

LENT = {kind for kind, row in KINDS.items() if row.is_lent}


def test_every_kind_of_statement_is_decided_here():
    lent = {type(parse(text)) for text in LENT_TEXTS}
    never = {type(parse(text)) for text in NEVER_TEXTS}
    assert not lent & never
    assert lent | never == KINDS.keys() | {ExecuteAs}
    assert lent == LENT


def test_a_kind_of_statement_that_is_new_is_refused():
    """A row says what may be lent, so what has none, or says nothing, may not."""
    refused = KINDS.keys() - LENT
    assert {
        kind for kind in KINDS if kind.__name__.endswith(("User", "Storage", "Job", "Database", "Rights"))
    } <= refused
