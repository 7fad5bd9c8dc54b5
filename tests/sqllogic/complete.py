"""Fill in the results of a new file, for a human to check: `python -m tests.sqllogic.complete FILE`.

Queries without `----` get the lines and the column letters that the server gave. What it prints is a proposal: each
line has to be right by the SQL standard or docs/sql.md before it is kept.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.sqllogic.databases import Server
from tests.sqllogic.rendering import letters_of, lines_of
from tests.sqllogic.runner import Failed, Runner
from tests.sqllogic.script import Query, Record, parse


def complete(path: Path, runner: Runner) -> str:
    """The text of the file with results. Other records that fail are named on stderr."""
    lines = path.read_text(encoding="utf-8").splitlines()
    added: list[tuple[int, str, list[str]]] = []
    for record in parse(path.read_text(encoding="utf-8")):
        if isinstance(record, Query) and record.expected is None:
            table = runner.table(record.sql)
            head = " ".join(["query", letters_of(table.schema), *([record.sort] if record.sort != "nosort" else [])])
            added.append((record.line, head, ["----", *lines_of(table, record.sort)]))
        elif record.runs_in(runner.mode):
            _step(runner, record)
    for line, head, result in reversed(added):
        end = next((at for at in range(line, len(lines)) if not lines[at].strip()), len(lines))
        lines[line - 1] = head
        lines[end:end] = result
    return "\n".join(lines) + "\n"


def _step(runner: Runner, record: Record) -> None:
    try:
        runner.step(record)
    except Failed as failed:
        print(failed, file=sys.stderr)


def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory))
        runner = Runner(server, path, "hot")
        try:
            path.write_text(complete(path, runner), encoding="utf-8")
        finally:
            runner.disconnect()
            server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
