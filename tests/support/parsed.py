"""Statements of texts, for tests that have no session."""

from __future__ import annotations

from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.statements.statement import Statement
from flight_server.parser.text.sql_text import SqlText


def parse(text: str) -> Statement:
    return parse_statement(SqlText(text))
