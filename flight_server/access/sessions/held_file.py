"""HeldFile records which sessions hold state, so that after a restart, or a kill, their callers are told.

Layout, records of 25 bytes: BLAKE2b-128 of a session id (16) | flags (1) | wall ms (8, big-endian); the newest counts.
Flags: 1 settings or temporary tables, 2 a transaction that statements join without naming it, 0 nothing (any more).

A record is written before the call that made it true is answered, and not synced: a process that is killed loses none,
a machine that loses its power may. A file that can't be written is logged and does without: nothing else depends on it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Final

import structlog

SETTINGS: Final = 1
IN_TRANSACTION: Final = 2
HELD_MAX: Final = 20_000  # sessions; the oldest leave
_RECORD: Final = struct.Struct(">16sBQ")


class HeldFile:
    """To be used under its owner's lock."""

    def __init__(self, path: Path, now_ms: int, kept_ms: int) -> None:
        """What an earlier run of the server left, but what is older than `kept_ms`: its tokens have expired."""
        self._path = path
        self._handle = -1
        self._records = 0
        self._held = {digest: held for digest, held in _read(path).items() if held[0] and held[1] > now_ms - kept_ms}
        self._earlier = set(self._held)
        self._rewrite()

    def note(self, session_id: str, flags: int, now_ms: int) -> None:
        """What it holds now. Costs nothing when that is no news."""
        digest = _digest(session_id)
        if self._held.get(digest, (0, 0))[0] == flags:
            return
        self._held.pop(digest, None)
        if flags:
            self._held[digest] = (flags, now_ms)
        self._append(_RECORD.pack(digest, flags, now_ms))

    def take(self, session_id: str) -> int:
        """What a session of this name held when an earlier run ended, once."""
        digest = _digest(session_id)
        if digest not in self._earlier:
            return 0
        self._earlier.discard(digest)
        return self._held.get(digest, (0, 0))[0]

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _append(self, record: bytes) -> None:
        if self._records >= 2 * HELD_MAX:
            self._rewrite()
            return
        try:
            if self._handle >= 0:
                os.write(self._handle, record)
                self._records += 1
        except OSError as error:
            _lost(error)

    def _rewrite(self) -> None:
        for digest in list(self._held)[: max(0, len(self._held) - HELD_MAX)]:
            del self._held[digest]
            self._earlier.discard(digest)
        self.close()
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.unlink(missing_ok=True)
            self._handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            os.write(self._handle, b"".join(_RECORD.pack(digest, *held) for digest, held in self._held.items()))
            self._records = len(self._held)
            new.rename(self._path)
        except OSError as error:
            _lost(error)


def _read(path: Path) -> dict[bytes, tuple[int, int]]:
    """The newest record of each session, oldest first; the half of one at the end is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    held: dict[bytes, tuple[int, int]] = {}
    for digest, flags, wall_ms in _RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size]):
        held.pop(digest, None)
        held[digest] = (flags, wall_ms)
    return held


def _digest(session_id: str) -> bytes:
    return hashlib.blake2b(session_id.encode(), digest_size=16).digest()


def _lost(error: OSError) -> None:
    structlog.get_logger("access").warning("session_state_not_recorded", reason=error.strerror)
