"""Run SQLite's sqllogictest files: `python -m tests.sqllogic.sqlite FOLDER [--files select1,random/expr] ..`.

The files are not ours and not in the repository: github.com/gregrahn/sqllogictest has them in its folder test/.
Exit code 1: a wrong answer, or a refusal of a kind that docs/sql.md does not list.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.sqllogic.sqlite import report
from tests.sqllogic.sqlite.outcomes import FileReport
from tests.sqllogic.sqlite.running import FileRun
from tests.sqllogic.sqlite.script import parse
from tests.sqllogic.sqlite.states import STATES
from tests.support.server_process import ServerProcess


def chosen(folder: Path, names: list[str], each_max: int) -> list[Path]:
    """The files below `names` (files without .test, or folders), of each folder `each_max`, spread over it. 0 = all."""
    below: dict[Path, list[Path]] = {}
    for name in names or ["."]:
        single = folder / f"{name}.test"
        for path in [single] if single.is_file() else sorted((folder / name).rglob("*.test")):
            below.setdefault(path if path == single else path.parent, []).append(path)
    return [
        path
        for paths in below.values()
        for path in paths[:: max(1, len(paths) // each_max) if each_max else 1][: each_max or None]
    ]


def main() -> int:
    given = arguments().parse_args()
    reports: list[FileReport] = []
    try:
        for path in chosen(given.folder, [name for name in given.files.split(",") if name], given.files_max):
            run_file(path, given, reports)
            keep(given.json, reports)  # each time, so that a long run that is cut off has told what it found
    except KeyboardInterrupt:
        reports[-1].ended = "interrupted"
    print(*report.lines(reports), sep="\n")
    keep(given.json, reports)
    return int(any(found.of_kind("wrong") or found.of_kind("error") or found.ended for found in reports))


def run_file(path: Path, given: argparse.Namespace, reports: list[FileReport]) -> None:
    """Each file has a server of its own: what one of them does to it is not seen in the next."""
    name = str(path.relative_to(given.folder).with_suffix(""))
    with tempfile.TemporaryDirectory() as directory, ServerProcess(Path(directory) / "data") as process:
        run = FileRun(process, name, given.states.split(","), given.seconds_per_file)
        reports.append(run.report)
        run.run(parse(path.read_text(encoding="utf-8")), given.queries_max)
    print(report.file_line(run.report), flush=True)


def keep(path: Path | None, reports: list[FileReport]) -> None:
    if path is not None:
        path.write_text(json.dumps(report.summary(reports), indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sqllogic.sqlite", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the fetched files are")
    parser.add_argument("--files", default="", help="names below the folder, with commas between; all if not given")
    parser.add_argument("--files-max", type=int, default=0, help="of each folder; 0 = all")
    parser.add_argument("--seconds-per-file", type=float, default=0, help="then the rest is left out; 0 = no limit")
    parser.add_argument("--queries-max", type=int, default=0, help="of each file, spread over it; 0 = all")
    parser.add_argument("--states", default=",".join(STATES), help="how rows are stored, by turns")
    parser.add_argument("--json", type=Path, help="where the summary goes that `make proof` reads")
    return parser


if __name__ == "__main__":
    sys.exit(main())
