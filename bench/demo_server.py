"""Where the demo runs: a server that is there already, or one of its own for as long as the demo takes.

With an address given, that server is used or the demo says why it can't be. Without one, the server on the usual port
is used when it lets the demo in; else the demo starts one on free ports, with a password nobody needs to know
and a directory that is removed at the end. So the demo works in a fresh clone, and never loses anybody's data.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adbc_driver_flightsql import dbapi
from adbc_driver_manager import Error

DEFAULT_URI: Final = "grpc://127.0.0.1:4747"
PASSWORD_VARIABLE: Final = "FROSTLINE_ROOT_PASSWORD"
STOP_SECONDS_MAX: Final = 60
_READY: Final = "ready: "


class DemoFailed(Exception):
    """The demo can't go on; the text is for its user."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to log in, and as whom."""

    uri: str
    user: str
    password: str
    is_own: bool = False

    def connect(self) -> Any:
        """An ADBC connection that commits each statement. Raises adbc_driver_manager.Error."""
        return dbapi.connect(self.uri, db_kwargs={"username": self.user, "password": self.password}, autocommit=True)


@contextmanager
def running_server(uri: str | None, user: str, password: str | None, data: Path | None) -> Iterator[Address]:
    """A server to talk to, while the block runs. Raises DemoFailed.

    uri:  None = the usual one if it lets us in, else one of our own
    data: directory of our own server, kept afterwards; None = a temporary one
    """
    password = password or os.environ.get(PASSWORD_VARIABLE) or ""
    if uri is not None or data is None:
        there = Address(uri or DEFAULT_URI, user, password)
        refusal = _refusal(there)
        if refusal is None:
            yield there
            return
        if uri is not None:
            raise DemoFailed(f"{uri} can't be used: {refusal}. Is the password right ({PASSWORD_VARIABLE})?")
    with _directory(data) as directory, _own_server(directory) as own:
        yield own


def _refusal(address: Address) -> str | None:
    """Why the server there can't be used; None when it can."""
    try:
        with closing(address.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
    except Error as error:
        return str(error).splitlines()[0]
    return None


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="frostline-demo-") as name:
        yield Path(name)


@contextmanager
def _own_server(directory: Path) -> Iterator[Address]:
    """`frostline serve` on free ports, stopped in order at the end."""
    password = os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe(16)
    command = [sys.executable, "-m", "flight_server", "serve", "--data", str(directory / "data")]
    with (
        (directory / "server.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [*command, "--port", "0", "--http-port", "0"],
            env={**os.environ, PASSWORD_VARIABLE: password},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield Address(_ready_uri(process, directory), "root", password, is_own=True)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS_MAX)


def _ready_uri(process: subprocess.Popen[str], directory: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
    said = (directory / "server.log").read_text(encoding="utf-8").splitlines()
    raise DemoFailed(f"the server did not start: {said[-1] if said else 'it said nothing'}")
