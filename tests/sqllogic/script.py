"""The text of a test file, read into records. Pure: no server, no files.

    statement ok                    it succeeds
    INSERT INTO t VALUES (1)

    statement count 2               it succeeds and says that so many rows were changed
    statement error 23505 twice     it ends in this SQLSTATE, and the sentence holds this pattern (may be left out)

    query IT rowsort                letters of columns (see `rendering`); then nosort (default), rowsort or valuesort
    SELECT a, b FROM t
    ----
    1 | one
    2 | NULL

    let before                      from here on, ${before} in an SQL text is the one value of this query
    SELECT max(_seq) FROM t

    connection second               the records behind it run in a session of this name ("first" at the start)
    flush, compact, restart         move the rows, or stop and start the server; only in the modes that do so
    skipif flushed                  the next record is left out in this mode; `onlyif` is the opposite
    halt                            the rest of the file is not read

Records are separated by empty lines; `#` begins a line of comment before a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SORTS: Final = ("nosort", "rowsort", "valuesort")
CONTROLS: Final = ("flush", "compact", "restart", "connection")
_BLANK = re.compile(r"\s*$")


class BadScript(Exception):
    """The file is not written as the grammar says; the message begins with the line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One step. `line`: where it begins, from 1. `skipped_in`/`only_in`: names of modes; empty = no condition."""

    line: int
    skipped_in: frozenset[str]
    only_in: frozenset[str]

    def runs_in(self, mode: str) -> bool:
        return mode not in self.skipped_in and (not self.only_in or mode in self.only_in)


@dataclass(frozen=True, slots=True)
class Statement(Record):
    """`sqlstate`: of the error it must end in; None = it must succeed. `count`: rows changed; None = any."""

    sql: str
    sqlstate: str | None = None
    message: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Query(Record):
    """`types`: a letter for each column. `expected`: lines; None while nobody has written them."""

    sql: str
    types: str
    sort: str
    expected: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Let(Record):
    """Remember a value."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Control(Record):
    """One of CONTROLS."""

    word: str
    argument: str


def parse(text: str) -> list[Record]:
    """Raises BadScript."""
    records = []
    conditions: dict[str, set[str]] = {"skipif": set(), "onlyif": set()}
    for line, block in _blocks(text):
        words = block[0].split()
        while words[0] in conditions:
            conditions[words[0]].add(words[1])
            line, block = line + 1, block[1:]
            if not block:
                raise BadScript(f"{line}: a condition without a record")
            words = block[0].split()
        if words[0] == "halt":
            break
        shared = (line, frozenset(conditions["skipif"]), frozenset(conditions["onlyif"]))
        conditions = {"skipif": set(), "onlyif": set()}
        records.append(_record(shared, words, block))
    return records


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line of its head, lines) of each record, comments before it left out."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if _BLANK.match(line):
            if block:
                yield start, block
            block = []
        elif block or not line.startswith("#"):
            start = start if block else number
            block.append(line)


def _record(shared: tuple[int, frozenset[str], frozenset[str]], words: list[str], block: list[str]) -> Record:
    line, sql = shared[0], "\n".join(block[1:])
    match words:
        case ["statement", "ok"] if sql:
            return Statement(*shared, sql)
        case ["statement", "count", number] if sql:
            return Statement(*shared, sql, count=int(number))
        case ["statement", "error", sqlstate, *_] if sql:
            return Statement(
                *shared, sql, sqlstate=sqlstate, message=block[0].split(maxsplit=3)[3] if words[3:] else ""
            )
        case ["query", types, *sort] if sql and len(sort) <= 1:
            return _query(shared, types, sort[0] if sort else "nosort", block[1:])
        case ["let", name] if sql:
            return Let(*shared, name, sql)
        case [word, *argument] if word in CONTROLS and not sql and len(argument) == (word == "connection"):
            return Control(*shared, word, " ".join(argument))
    raise BadScript(f"{line}: not a record: {block[0]}")


def _query(shared: tuple[int, frozenset[str], frozenset[str]], types: str, sort: str, lines: list[str]) -> Query:
    if sort not in SORTS:
        raise BadScript(f"{shared[0]}: no sort mode '{sort}'")
    if "----" not in lines:
        return Query(*shared, "\n".join(lines), types, sort, None)
    cut = lines.index("----")
    return Query(*shared, "\n".join(lines[:cut]), types, sort, tuple(lines[cut + 1 :]))
