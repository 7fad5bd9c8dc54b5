"""Framing: one text planned in one context, with its parameters bound, or with types guessed for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import pyarrow as pa
from datafusion import DataFrame, SessionContext, SQLOptions

from flight_server.query.errors.mapping import raise_mapped
from flight_server.query.sessions.params import literal, parameter_types, placeholders_in, spelled
from storage.errors import FrostlineError

Params = Mapping[str, pa.Scalar]
NO_PARAMETERS: Final[Mapping[str, pa.DataType]] = MappingProxyType({})

_READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
# With nothing known of a placeholder, planning may fail (sum($1)): then these are tried, in this order.
_GUESSES: Final = {pa.int64(): "1", pa.string(): "''", pa.float64(): "1.0e0"}
_HOPELESS: Final = ("42601", "42P01", "42501", "3F000")  # no guess mends a syntax error or a missing table


class Bound:
    """Plans texts with values for their placeholders, or without any."""

    def __init__(self, context: SessionContext, params: Params | None) -> None:
        self._context = context
        self._params = params

    def __call__(self, sql: str) -> DataFrame:
        """Raises FrostlineError."""
        try:
            return _frame(self._context, sql, self._params)
        except FrostlineError as error:
            if error.sqlstate in _HOPELESS or not self._params:
                raise
            texts = {name: text for name, value in self._params.items() if (text := literal(value)) is not None}
            return _first_frame(self._context, [spelled(sql, texts)] if texts else [], self._params, error)[0]

    def parameters(self, sql: str, frame: DataFrame, *, may_fold: bool) -> Mapping[str, pa.DataType]:
        return NO_PARAMETERS


class Unbound:
    """Plans texts whose placeholders have no values yet."""

    def __init__(self, context: SessionContext, typing_context: SessionContext) -> None:
        self._context = context
        self._typing_context = typing_context
        self._guessed: Mapping[str, pa.DataType] = NO_PARAMETERS

    def __call__(self, sql: str) -> DataFrame:
        """Raises FrostlineError."""
        self._guessed = NO_PARAMETERS
        try:
            return _frame(self._context, sql, None)
        except FrostlineError as error:
            names = [] if error.sqlstate in _HOPELESS else placeholders_in(sql)
            if not names:
                raise
            texts = [spelled(sql, dict.fromkeys(names, text)) for text in _GUESSES.values()]
            frame, at = _first_frame(self._context, texts, None, error)
            self._guessed = dict.fromkeys(names, list(_GUESSES)[at])
            return frame

    def parameters(self, sql: str, frame: DataFrame, *, may_fold: bool) -> Mapping[str, pa.DataType]:
        """Of the text that was planned last: "1", "2", .. -> the type each placeholder wants, null when unknown.

        may_fold: whether its constants may be computed here
        """
        return self._guessed or parameter_types(self._typing_context, sql, frame, may_fold=may_fold)


def _frame(context: SessionContext, sql: str, params: Params | None) -> DataFrame:
    try:
        return context.sql_with_options(sql, _READ_ONLY, param_values=dict(params) if params else None)
    except BaseException as error:
        raise_mapped(error)


def _first_frame(
    context: SessionContext, texts: list[str], params: Params | None, error: FrostlineError
) -> tuple[DataFrame, int]:
    """The first of `texts` that can be planned, and its place. Raises `error`, which it was that led here."""
    for at, text in enumerate(texts):
        try:
            return _frame(context, text, params), at
        except FrostlineError:
            continue
    raise error
