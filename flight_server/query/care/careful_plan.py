"""Careful planning plans a statement as written, looks at the plan, and rewrites what the engine would get wrong.

Most plans are at no risk and stay as they are; for them this costs one look at the plan's text. A plan at risk costs
some more plans, of its parts, to learn what its names mean. What is rewritten is read by another parser than the
engine's: so its own copy of the text must give the same plan, or the same error, before anything is changed in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import pyarrow as pa
from datafusion import DataFrame

from flight_server.query.care.risks import rewrites_for
from flight_server.query.care.risky_names import may_confuse_aliases
from flight_server.query.errors.mapping import raise_mapped
from flight_server.rewrite.packing import packed, unpacked
from flight_server.rewrite.rewriter import copied, rewrite
from flight_server.rewrite.steps import Step
from flight_server.rewrite.subqueries.derived import refuse_outside_names
from flight_server.rewrite.tree.relations import Relations
from storage.errors import FrostlineError, NotSupported

ROUNDS_MAX: Final = 4  # a rewrite may bring another risk to light, hardly more than one
_NO_COLUMN: Final = "42703"
_EXPLAIN: Final = re.compile(r"\A\s*explain\s+(?:analyze\s+)?(?:verbose\s+)?(?:format\s+\w+\s+)?", re.IGNORECASE)

Framed = Callable[[str], DataFrame]  # plans a text. Raises FrostlineError.


@dataclass(frozen=True, slots=True)
class CarefulFrame:
    """sql: the text that was planned; steps: what was rewritten; names: output name not to be seen -> as written."""

    frame: DataFrame = field(repr=False)
    sql: str
    steps: tuple[Step, ...] = ()
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def careful_frame(
    sql: str, framed: Framed, relations: Relations, mended: frozenset[Step], *, within: bool = False
) -> CarefulFrame:
    """mended: the steps that may be taken; within: it is a view's text, around which there is more.

    Raises: what planning raises; NotSupported for a statement that is at risk and can't be rewritten.
    """
    try:
        frame, error = framed(sql), None
    except FrostlineError as failed:
        frame, error = None, failed
    wanted = _wanted(frame, error, within=within) & mended
    if may_confuse_aliases(sql) and Step.QUALIFIERS in mended:
        wanted |= {Step.QUALIFIERS}
    if not wanted:
        return CarefulFrame(_planned(frame, error), sql)
    try:
        return _Rewriting(sql, framed, relations, mended, within=within).run(frame, error, wanted)
    except RecursionError:  # sqlglot goes into brackets by recursion
        raise (error or _unreadable()) from None


class _Rewriting:
    """One statement on its way to a plan without risk."""

    def __init__(
        self, sql: str, framed: Framed, relations: Relations, mended: frozenset[Step], *, within: bool
    ) -> None:
        found = _EXPLAIN.match(sql)
        self._head = found[0] if found else ""
        self._query, self._lists = packed(sql[len(self._head) :])
        self._framed = framed
        self._relations = relations
        self._mended = mended
        self._within = within

    def run(self, frame: DataFrame | None, error: FrostlineError | None, wanted: frozenset[Step]) -> CarefulFrame:
        self._check_copy(frame, error)
        text, done, names = self._query, dict[Step, None](), dict[str, str]()
        for _ in range(ROUNDS_MAX):
            try:
                found = rewrite(text, wanted, self._schema_of, self._relations, within=self._within)
            except FrostlineError as failed:
                if _NO_COLUMN in (failed.sqlstate, error and error.sqlstate):
                    refuse_outside_names(text)
                raise (error or failed) from None
            names |= found.names
            done |= dict.fromkeys(found.steps)
            if not found.steps:
                break
            text = found.sql
            frame, error = self._again(text, error)
            wanted = _wanted(frame, error, within=self._within) & self._mended - done.keys()
            if not wanted:
                break
        return CarefulFrame(_planned(frame, error), self._whole(text), tuple(done), names)

    def _check_copy(self, frame: DataFrame | None, error: FrostlineError | None) -> None:
        """Raises NotSupported, or the engine's error, when another parser reads the text in another way."""
        try:
            copy = self._framed(self._whole(copied(self._query)))
        except FrostlineError as failed:
            if error is not None and failed.sqlstate == error.sqlstate:
                return
            raise (error or _unreadable()) from None
        if frame is None or _shown(copy) != _shown(frame):
            raise error or _unreadable()

    def _again(self, text: str, error: FrostlineError | None) -> tuple[DataFrame | None, FrostlineError | None]:
        try:
            return self._framed(self._whole(text)), None
        except FrostlineError as failed:
            return None, error or failed

    def _schema_of(self, sql: str) -> pa.Schema:
        return _schema(self._framed(unpacked(sql, self._lists)))

    def _whole(self, text: str) -> str:
        return f"{self._head}{unpacked(text, self._lists)}"


def _wanted(frame: DataFrame | None, error: FrostlineError | None, *, within: bool = False) -> frozenset[Step]:
    if error is not None:
        return _ERRORS.get(error.sqlstate, frozenset())
    assert frame is not None
    logical = frame.logical_plan()
    shown = logical.display_indent()
    return rewrites_for(shown, lambda: _schema(frame), logical.display_indent_schema, within=within)


def _schema(frame: DataFrame) -> pa.Schema:
    """Raises FrostlineError (types nested too deeply)."""
    try:
        return frame.schema()
    except Exception as error:
        raise_mapped(error)


def _planned(frame: DataFrame | None, error: FrostlineError | None) -> DataFrame:
    if error is not None:
        raise error
    assert frame is not None
    return frame


def _shown(frame: DataFrame) -> str:
    return str(frame.logical_plan().display_indent())


def _unreadable() -> NotSupported:
    return NotSupported(
        "the engine may answer this statement wrongly, and it can't be rewritten: some part of it is read in two ways; "
        "write it in simpler words, or in several statements"
    )


# SQLSTATE of an error while planning -> the steps that may do away with it.
_ERRORS: Final[Mapping[str, frozenset[Step]]] = MappingProxyType(
    {
        "42701": frozenset({Step.NAMES, Step.CASTS}),
        "42702": frozenset({Step.USING}),
        "42803": frozenset({Step.GROUPS}),
        "42804": frozenset({Step.ALIASES, Step.INTERVALS}),
        _NO_COLUMN: frozenset({Step.ALIASES}),
    }
)
