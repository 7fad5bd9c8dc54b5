"""SQLite's sqllogictest format, read into records. Pure: no server, no files. (Our own files have another format.)

    statement ok                           it succeeds; `statement error`: it fails, with whatever error
    INSERT INTO t1 VALUES(1,2)

    skipif mysql # not compatible          the next record is not for this engine; `onlyif`: for no other
    query IT rowsort label-7               letters of columns, sort mode, label: all results of one label are the same
    SELECT a, b FROM t1
    ----                                   may be left out with the results, then there are none
    1                                      one value a line
    one

    30 values hashing to 3c13dee48d9356ae19af2515e05e6b54         instead of values: the MD5 of their lines

    hash-threshold 8                       when results are hashed; each result shows whether it is
    halt                                   the rest of the file is not read

Lines that begin with `#` don't exist, wherever they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SORTS: Final = ("nosort", "rowsort", "valuesort")
# Frostline shows itself as the engine whose dialect is nearest. Of what that one is excused from, it can do these.
ENGINE: Final = "postgresql"
NOT_EXCUSED: Final = ("requires AS when renaming", "does not promote INTEGER")
RESULTS: Final = "----"


class BadScript(Exception):
    """The file is not written as the grammar says; the message begins with the line."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`fails`: it must end in an error. `line`: where the record begins, from 1."""

    line: int
    sql: str
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """`expected`: values, sorted as `sort` says, or the one line that holds their hash."""

    line: int
    sql: str
    types: str
    sort: str
    label: str
    expected: tuple[str, ...]


Record = Statement | Query


def parse(text: str, engine: str = ENGINE) -> list[Record]:
    """The records that are for this engine. Raises BadScript."""
    records: list[Record] = []
    for line, block in _blocks(text):
        ours = True
        while block and block[0].split()[0] in ("skipif", "onlyif"):
            ours = _is_for(engine, block[0]) and ours
            line, block = line + 1, block[1:]
        if not block:
            raise BadScript(f"{line}: a condition without a record")
        words = block[0].split()
        if words[0] == "halt" and ours:
            break
        if words[0] not in ("halt", "hash-threshold") and ours:
            records.append(_record(line, words, block[1:]))
    return records


def _is_for(engine: str, condition: str) -> bool:
    word, named, *reason = condition.split(maxsplit=2)
    if word == "onlyif":
        return named == engine
    return named != engine or any(known in "".join(reason) for known in NOT_EXCUSED)


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line of its head, lines) of each record."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.startswith("#"):
            continue
        if line.strip():
            start = start if block else number
            block.append(line.rstrip("\r"))
        elif block:
            yield start, block
            block = []


def _record(line: int, words: list[str], rest: list[str]) -> Record:
    match words:
        case ["statement", "ok" | "error" as outcome, *_] if rest:
            return Statement(line, "\n".join(rest), fails=outcome == "error")
        case ["query", types, *more] if rest and len(more) <= 2 and set(types) <= set("TIR"):
            sort, label = [*more, *["nosort", ""][len(more) :]]
            if sort in SORTS:
                cut = rest.index(RESULTS) if RESULTS in rest else len(rest)
                return Query(line, "\n".join(rest[:cut]), types, sort, label, tuple(rest[cut + 1 :]))
    raise BadScript(f"{line}: not a record: {' '.join(words)}")
