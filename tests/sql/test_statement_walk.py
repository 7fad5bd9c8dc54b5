"""The walk of one INSERT through the rooms: straight, and each text is read once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from flight_server.sql.interface.request import Request
from tests.support.in_process import House, house

ROOT = Path(__file__).resolve().parents[2]
FILES_MAX = 80  # on the statement's own thread: that of the committer is not followed


class Walk:
    """Which functions of ours were called from which files, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []  # (file, function, file of the caller)

    @contextmanager
    def followed(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        file = _ours(frame)
        if event == "call" and file is not None:
            self.calls.append((file, frame.f_code.co_name, _ours(frame.f_back) or ""))

    @property
    def files(self) -> set[str]:
        return {file for file, _, _ in self.calls}

    def entered(self, file: str) -> int:
        """How often it was called from other files."""
        return sum(called == file != caller for called, _, caller in self.calls)

    def count(self, file: str, function: str) -> int:
        return sum((called, name) == (file, function) for called, name, _ in self.calls)


def _ours(frame: FrameType | None) -> str | None:
    path = Path(frame.f_code.co_filename) if frame is not None else ROOT
    is_ours = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[:1] in (("flight_server",), ("storage",))
    return path.relative_to(ROOT).as_posix() if is_ours else None


def walk_of(home: House, act: Callable[[], object]) -> Walk:
    walk = Walk()
    with walk.followed():
        act()
    return walk


def test_an_insert_enters_the_executor_once_and_is_lexed_once(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        session = home.enter()
        home.do(session, "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR)")
        home.do(session, "INSERT INTO t VALUES (1, 'one')")
        walk = walk_of(home, lambda: home.statements.run(Request(session, "INSERT INTO t VALUES (2, 'two')")))
    assert walk.entered("flight_server/sql/executor.py") == 1
    assert walk.count("flight_server/parser/text/lexer.py", "lex") == 1
    assert walk.count("flight_server/parser/guard/check.py", "check_text") == 1
    assert walk.count("flight_server/sql/scopes/transaction_scopes.py", "_alone") == 1
    assert len(walk.files) <= FILES_MAX
    assert not any(file.startswith("flight_server/query/sessions") for file in walk.files)  # no engine for literals


def test_a_text_that_comes_again_is_not_lexed(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        session = home.enter()
        home.do(session, "CREATE TABLE t (id BIGINT, name VARCHAR)")
        home.do(session, "INSERT INTO t VALUES (1, 'one')")
        walk = walk_of(home, lambda: home.do(session, "INSERT INTO t VALUES (1, 'one')"))
    assert walk.count("flight_server/parser/text/lexer.py", "lex") == 0
