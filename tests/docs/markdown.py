"""Examples in documents, and what the documents say comes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.server_process import REPOSITORY

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s--\s(.*)$")
_ERROR = re.compile(r"error (\w{5})\b")
_COUNT = re.compile(r"(\d+) (rows|changed)\b")


def documents() -> list[Path]:
    return [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document in `language`, in order."""
    return [body for kind, body in _FENCE.findall(path.read_text(encoding="utf-8")) if kind == language]


@dataclass(frozen=True)
class Example:
    """A statement and what its comment promises: an SQLSTATE, a number of result rows, or of changed rows."""

    sql: str
    sqlstate: str | None = None
    rows: int | None = None
    changed: int | None = None


def sql_examples(path: Path) -> Iterator[Example]:
    """Every statement of a document's sql blocks. A statement ends with the line that ends with `;`."""
    for block in blocks(path, "sql"):
        lines: list[str] = []
        for line in block.splitlines():
            code, comment = _COMMENT.sub("", line), _COMMENT.search(line)
            lines.append(code)
            if code.rstrip().endswith(";"):
                yield _example("\n".join(lines).strip().rstrip(";"), comment[1] if comment else "")
                lines = []
        assert not "".join(lines).strip(), f"a statement in {path.name} has no end: {lines}"


def _example(sql: str, comment: str) -> Example:
    error = _ERROR.match(comment)
    if error is not None:
        return Example(sql, sqlstate=error[1])
    count = _COUNT.match(comment)
    if count is None:
        return Example(sql)
    number = int(count[1])
    return Example(sql, rows=number) if count[2] == "rows" else Example(sql, changed=number)
