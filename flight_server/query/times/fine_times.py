"""Fine times, in nanoseconds, are compared exactly with coarser ones that may be beyond them.

A coarser time stands on a whole microsecond. So it is compared with the microsecond that the nanoseconds are in, and
where that one is equal it matters whether they are it exactly.
"""

from __future__ import annotations

from typing import Final

from flight_server.query.times.operand_groups import Group, Kind

_TURNED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def compared(left: str, right: str, group: Group, *, is_left_fine: bool, zone: str | None) -> str:
    word = group.word
    if not is_left_fine:
        left, right, word = right, left, _TURNED.get(word, word)
    down, exact, rest = _down(left, zone), f"{left} = {_cut(left)}", f"{left} <> {_cut(left)}"
    is_not = "NOT " if group.negated else ""
    forms = {
        "<": f"({down} < {right})",
        ">=": f"({down} >= {right})",
        "<=": f"({down} < {right} OR ({down} = {right} AND {exact}))",
        ">": f"({down} > {right} OR ({down} = {right} AND {rest}))",
        "=": f"({down} = {right} AND {exact})",
        "DISTINCT": f"({is_not}(({down} IS DISTINCT FROM {right}) OR coalesce({rest}, false)))",
    }
    return forms.get(word, f"({down} <> {right} OR ({rest} AND {right} IS NOT NULL))")


def between_or_listed(operands: list[str], group: Group, zone: str | None) -> str:
    fine, *others = operands
    down, exact = _down(fine, zone), f"{fine} = {_cut(fine)}"
    if group.kind is Kind.BETWEEN:
        low, high = others
        found = f"{down} >= {low} AND ({down} < {high} OR ({down} = {high} AND {exact}))"
    else:
        found = f"{down} IN ({', '.join(others)}) AND {exact}"
    return f"({'NOT ' if group.negated else ''}({found}))"


def _cut(fine: str) -> str:
    """To whole microseconds; date_trunc rounds single values before 1970 up."""
    return f"date_bin(INTERVAL '1 microsecond', {fine})"


def _down(fine: str, zone: str | None) -> str:
    arrow = "None" if zone is None else f'Some("{zone}")'
    return f"arrow_cast({_cut(fine)}, 'Timestamp(Microsecond, {arrow})')"
