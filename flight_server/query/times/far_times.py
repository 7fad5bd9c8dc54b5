"""Far times, of the years 1 to 9999, are compared in microseconds where times of different types meet.

Left to itself the engine brings a DATE and a timestamp, a text and a timestamp, and timestamps of different precision
to nanoseconds, which end in 1677 and 2262: one row with '9999-12-31' is an error then. So casts are written where the
operands of a comparison, a list or a CASE differ. Their types are asked of the engine itself, which plans
`SELECT operand FROM ..` for it: once words hint at such a meeting, in no other statement.

    d < now()         CAST(d AS TIMESTAMP(6)) < now()
    u = '9999-12-31'  u = TIMESTAMP(6) '9999-12-31'
    n < u             CAST(date_trunc('microsecond', n) AS TIMESTAMP(6)) < u    (n in nanoseconds)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pyarrow as pa
from datafusion import DataFrame, Expr

from flight_server.parser.text.sql_text import Edit, edited
from flight_server.query.errors.mapping import query_error
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.times.fine_times import between_or_listed, compared
from flight_server.query.times.operand_groups import Group, Kind, ends_item, groups
from flight_server.query.times.operand_sources import sources
from flight_server.query.times.operands import Span, Text
from flight_server.query.times.time_calls import call_edits
from flight_server.query.times.time_kinds import (
    FAR_WITHIN,
    STAMPS,
    Known,
    Times,
    is_constant,
    is_far,
    is_text,
    is_time_text,
    known_names,
    maybe,
    mentioned,
    of_type,
    of_value,
    together,
)
from storage.catalog.names import quoted
from storage.errors import FrostlineError

PASSES_MAX: Final = 8
_OPERANDS_MAX: Final = 2000  # of one text that are looked at
_CALLS_WITHIN: Final = ("trunc", "_bin", "zone", "to_char", "date_format", "to_timestamp", "_series", "range", "( 6)")
_CALL_WORDS: Final = re.compile(
    r"date_?trunc|date_bin|to_char|date_format|at\s+time\s+zone|to_timestamp|generate_series|\brange\s*\("
    r"|timestamp(?:tz)?\( 6"
)
_STAMPS_WITHIN: Final = ("timestamp", "now(", "now (", "from_unixtime")
_DAYS_WITHIN: Final = ("date ", "date'", "current_date", "today", "make_date", "to_date", "as date", "::date")

_UTC: Final = (None, "UTC", "+00:00")
_IN_UTC: Final = "'Timestamp(Microsecond, Some(\"+00:00\"))'"  # a DATE that is compared with a moment begins in UTC

Params = Mapping[str, pa.Scalar]
Planned = Callable[[str], DataFrame]


def fitting(
    sql: str, frame: DataFrame, touched: Dependencies, planned: Planned, params: Params | None
) -> tuple[str, DataFrame]:
    """`sql` with casts where times meet, and its frame; both as they came when nothing is to be done.

    frame:   of `sql`; its columns keep their names
    planned: plans other texts like `sql`. Raises FrostlineError.
    """
    if not _is_at_risk(sql, touched, params):
        return sql, frame
    known = known_names(touched)
    try:
        fitted = _fitted(sql, known, _Types(planned))
        return (sql, frame) if fitted == sql else (fitted, _renamed(planned(fitted), frame.schema().names))
    except FrostlineError:  # what is wrong with the statement itself is told of its own text
        return sql, frame


def _is_at_risk(sql: str, touched: Dependencies, params: Params | None) -> bool:
    """Cheap, since it is asked of every statement: words within the text come before patterns."""
    lowered = sql.lower()
    if any(word in lowered for word in _CALLS_WITHIN) and _CALL_WORDS.search(lowered) is not None:
        return True
    times = mentioned(lowered, touched)
    if any(word in lowered for word in _STAMPS_WITHIN):
        times |= Times.COARSE
    if not times & STAMPS:
        return False
    bound = together(of_value(value) for value in params.values()) if params else Times.NONE
    times |= bound
    if times & STAMPS == STAMPS or times & Times.DAY or any(word in lowered for word in _DAYS_WITHIN):
        return True
    return bool(bound & Times.TEXT) or FAR_WITHIN.search(sql) is not None


def _fitted(sql: str, known: Known, types: _Types) -> str:
    for _ in range(PASSES_MAX):
        text = Text(sql)
        edits: list[Edit] = []
        for found in _all_edits(text, known, types):
            if found and not any(_overlap(found, edit) for edit in edits):
                edits += found
        if not edits:
            break
        sql = edited(sql, edits)
    return sql


def _overlap(found: list[Edit], edit: Edit) -> bool:
    """Edits of one place wait for the next pass, which finds the text as it is then."""
    return min(one[0] for one in found) <= edit[1] and edit[0] <= max(one[1] for one in found)


def _all_edits(text: Text, known: Known, types: _Types) -> Iterator[list[Edit]]:
    yield from call_edits(text, known, types.of)  # first: they change what operands are
    looked_at = 0
    for group in groups(text):
        looked_at += len(group.operands)
        if looked_at > _OPERANDS_MAX:
            return
        if _may_meet([maybe(text, span, known) for span in group.operands]):
            yield _group_edits(text, group, types)


def _may_meet(times: list[int]) -> bool:
    """Whether two operands can be of kinds that the engine would bring to nanoseconds."""
    pairs = ((Times.DAY | Times.TEXT, STAMPS), (Times.FINE, Times.COARSE))
    return any(
        any(one & kind for one in times)
        and any(one & other for one in times)
        and sum(bool(one & (kind | other)) for one in times) > 1
        for kind, other in pairs
    )


def _group_edits(text: Text, group: Group, types: _Types) -> list[Edit]:
    spans = group.operands
    if not any(not is_time_text(text, span) for span in spans):
        return []
    found = [None if is_time_text(text, span) else types.of(text, span) for span in spans]
    kinds = [Times.TEXT if kind is None or is_text(kind) else of_type(kind) for kind in found]
    zones = [kind.tz for kind in found if kind is not None and pa.types.is_timestamp(kind)]
    if not zones:
        return []
    zone = next((zone for zone in zones if zone), None)
    edits: list[Edit] = []
    far = any(is_far(text, span) for span in spans) or Times.DAY in kinds
    for span, kind in zip(spans, kinds, strict=True):
        if kind == Times.DAY and group.kind is Kind.QUERIED and span is not spans[0]:
            edits += _wrapped(text, span, "(SELECT CAST(q.c0 AS TIMESTAMP(6)) FROM ", " AS q(c0))")
        elif kind == Times.DAY and zone not in _UTC and group.kind not in (Kind.VALUES, Kind.SELECTED):
            edits += _wrapped(text, span, "arrow_cast(CAST(", f" AS TIMESTAMP(6)), {_IN_UTC})")
        elif kind == Times.DAY:
            edits += _wrapped(text, span, "CAST(", f" AS TIMESTAMP(6)){_alias(text, group, span)}")
        elif kind == Times.TEXT and (far or not is_time_text(text, span)):
            edits += _stamped(text, span, zone)
    if edits or group.kind in (Kind.VALUES, Kind.SELECTED):
        return edits
    return _finely(text, group, kinds, zone)


def _alias(text: Text, group: Group, span: Span) -> str:
    """The first of united queries names their columns, and a cast has no name."""
    if group.kind is not Kind.SELECTED or not text.is_column(span) or not ends_item(text, span.last):
        return ""
    return f" AS {text.of(Span(span.last, span.last))}"


def _stamped(text: Text, span: Span, zone: str | None) -> list[Edit]:
    """A string is read in the zone of what it meets."""
    if zone is None:
        return _wrapped(text, span, "CAST(", " AS TIMESTAMP(6))")
    return _wrapped(text, span, "arrow_cast(", f""", 'Timestamp(Microsecond, Some("{zone}"))')""")


def _finely(text: Text, group: Group, kinds: list[int], zone: str | None) -> list[Edit]:
    """Nanoseconds beside what may be beyond them: compared with the microseconds that they are in."""
    coarse = [span for span, kind in zip(group.operands, kinds, strict=True) if kind == Times.COARSE]
    if Times.FINE not in kinds or all(is_constant(text, span) and not is_far(text, span) for span in coarse):
        return []
    operands = [text.of(span) for span in group.operands]
    if group.kind is Kind.COMPARED:
        condition = compared(operands[0], operands[1], group, is_left_fine=kinds[0] == Times.FINE, zone=zone)
    elif group.kind is not Kind.QUERIED and kinds[0] == Times.FINE and Times.FINE not in kinds[1:]:
        condition = between_or_listed(operands, group, zone)
    else:
        return []
    first, last = group.operands[0].first, text.closing(group.operands[-1].last)
    last += group.kind is Kind.LISTED
    return [(text.tokens[first].start, text.tokens[last].end, condition)]


def _wrapped(text: Text, span: Span, before: str, behind: str) -> list[Edit]:
    start, end = text.tokens[span.first].start, text.tokens[span.last].end
    return [(start, start, before), (end, end, behind)]


class _Types:
    """What the engine makes of an operand where it stands. Each text is asked for once."""

    def __init__(self, planned: Planned) -> None:
        self._planned = planned
        self._asked: dict[str, pa.DataType] = {}

    def of(self, text: Text, span: Span) -> pa.DataType:
        """The null type when it can't be told."""
        if text.key(span.first) == "DATE" and span.last == span.first + 1:  # a literal: lists may hold many
            return pa.date32()
        operand = text.of(span)
        if is_constant(text, span):  # without what is around it, which may be as long as there are constants
            return self._ask(f"SELECT ({operand}) AS c0")
        known, froms = sources(text, span.first)
        for depth in range(max(1, len(froms))):
            source = f" FROM {', '.join(froms[: depth + 1])}" if froms else ""
            found = self._ask(f"{known}SELECT ({operand}) AS c0{source}")
            if not pa.types.is_null(found):
                return found
        return pa.null()

    def _ask(self, sql: str) -> pa.DataType:
        if sql not in self._asked:
            try:
                self._asked[sql] = self._planned(sql).schema().field(0).type
            except (FrostlineError, ValueError):  # not to be read by itself: then it is left as it is
                self._asked[sql] = pa.null()
        return self._asked[sql]


def _renamed(frame: DataFrame, names: list[str]) -> DataFrame:
    """The casts have changed names of columns that the caller gave none."""
    found = frame.schema().names
    if found == names or len(set(found)) < len(found):
        return frame
    try:
        return frame.select(*[Expr.column(quoted(now)).alias(was) for now, was in zip(found, names, strict=True)])
    except Exception as error:
        raise query_error(error) from None
