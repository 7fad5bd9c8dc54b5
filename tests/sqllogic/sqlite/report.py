"""What a run over many files gave: by file, by class of refusal, and every wrong answer in full."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.sqllogic.sqlite.outcomes import KINDS, FileReport, Outcome

VALUES_SHOWN_MAX: Final = 40
Class = tuple[str, str, str]  # kind, SQLSTATE, reason


def file_line(report: FileReport) -> str:
    """What is printed as soon as a file is through."""
    counts = "  ".join(f"{kind} {report.queries[kind]}" for kind in KINDS)
    statements = " ".join(f"{kind} {n}" for kind, n in sorted(report.statements.items()))
    left = f"  left out {report.left_out}" if report.left_out else ""
    ended = f"  ({report.ended})" if report.ended else ""
    return f"{report.name:32}  {counts}{left}  | statements: {statements}  | {report.seconds:.1f} s{ended}"


def classes(reports: Sequence[FileReport]) -> dict[Class, list[tuple[str, Outcome]]]:
    """(file, outcome) of every class of refusal and error, the most frequent first, shortest text first."""
    found: dict[Class, list[tuple[str, Outcome]]] = defaultdict(list)
    for report in reports:
        for outcome in report.noted:
            if outcome.kind in ("refused", "error"):
                found[outcome.kind, outcome.sqlstate, outcome.reason].append((report.name, outcome))
    for members in found.values():
        members.sort(key=lambda member: len(member[1].sql))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def lines(reports: Sequence[FileReport]) -> Iterator[str]:
    queries, statements = totals(reports)
    yield "all queries:    " + "  ".join(f"{kind} {queries[kind]}" for kind in KINDS)
    yield "all statements: " + "  ".join(f"{kind} {n}" for kind, n in sorted(statements.items()))
    for (kind, sqlstate, reason), members in classes(reports).items():
        name, smallest = members[0]
        states = Counter(outcome.state for _, outcome in members)
        yield f"\n{kind} {sqlstate or 'without SQLSTATE'}, {len(members)} times {dict(states)}: {reason}"
        yield f"    {name}:{smallest.line} ({smallest.state}) {smallest.message}"
        yield f"    {' '.join(smallest.sql.split())}"
    for report in reports:
        for outcome in report.of_kind("wrong"):
            yield f"\nWRONG {report.name}:{outcome.line} ({outcome.state})\n    {' '.join(outcome.sql.split())}"
            yield f"    expected: {_shortened(outcome.expected)}\n    got:      {_shortened(outcome.got)}"


def totals(reports: Sequence[FileReport]) -> tuple[Counter[str], Counter[str]]:
    queries: Counter[str] = Counter()
    statements: Counter[str] = Counter()
    for report in reports:
        queries += report.queries
        statements += report.statements
    return queries, statements


def summary(reports: Sequence[FileReport]) -> dict[str, Any]:
    """What `make proof` reads. A query that rests on a refused statement can't be compared."""
    queries, _ = totals(reports)
    refused = queries["refused"] + queries["error"] + queries["follows"]
    found = [
        {
            "kind": kind,
            "sqlstate": code,
            "reason": reason,
            "times": len(members),
            "where": f"{members[0][0]}:{members[0][1].line}",
            "message": members[0][1].message,
            "smallest": members[0][1].sql,
        }
        for (kind, code, reason), members in classes(reports).items()
    ]
    return {
        "source": "sqlite",
        "seed": None,
        "minutes": round(sum(report.seconds for report in reports) / 60, 1),
        "made": queries.total(),
        "comparable": queries.total() - refused - queries["typed"],
        "equal": queries["right"],
        "refused": refused,
        "different": queries["wrong"],
        "undocumented": queries["error"],
        "files": {report.name: dict(report.queries) for report in reports},
        "classes": found,
    }


def _shortened(values: tuple[str, ...]) -> str:
    more = f" .. {len(values)} values" if len(values) > VALUES_SHOWN_MAX else ""
    return " | ".join(values[:VALUES_SHOWN_MAX]) + more
