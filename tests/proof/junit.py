"""Reads what `pytest --junitxml` writes: which test passed."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


class Result(enum.Enum):
    """The worst first. The values are what the page says."""

    FAILED = "**failed**"
    MISSING = "**not run**"
    SKIPPED = "**skipped**"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Results:
    """(dotted module and classes, name with parameters) -> result of each test case of a run."""

    cases: dict[tuple[str, str], Result]

    def of(self, node: str) -> Result:
        """Of a pytest node id: the worst of all cases that it stands for."""
        return min((self.cases[case] for case in self._cases_of(node)), key=list(Result).index, default=Result.MISSING)

    def _cases_of(self, node: str) -> Iterator[tuple[str, str]]:
        path, *names = node.split("::", maxsplit=2) if "[" not in node else _split_before_parameters(node)
        module = path.removesuffix(".py").replace("/", ".")
        for place, name in self.cases:
            if not names:
                hit = place == module or place.startswith(f"{module}.")
            else:
                hit = place == ".".join([module, *names[:-1]]) and (
                    name == names[-1] or name.startswith(f"{names[-1]}[")
                )
            if hit:
                yield place, name


def _split_before_parameters(node: str) -> list[str]:
    """Parameters may hold `::` themselves."""
    head, bracket, parameters = node.partition("[")
    *outer, name = head.split("::")
    return [*outer, f"{name}{bracket}{parameters}"]


def read(path: Path) -> Results:
    """The file is our own run's."""
    cases: dict[tuple[str, str], Result] = {}
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314
        found = {child.tag for child in case}
        failed, skipped = found & {"failure", "error"}, "skipped" in found
        result = Result.FAILED if failed else Result.SKIPPED if skipped else Result.PASSED
        key = (case.get("classname", ""), case.get("name", ""))
        cases[key] = min(result, cases.get(key, result), key=list(Result).index)  # a teardown may fail on its own
    return Results(cases)
