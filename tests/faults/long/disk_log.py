"""What a process did to its files, as strace saw it, and what of it a power cut would leave.

The pessimistic reading of POSIX: written bytes are on disk once fsync or fdatasync of their file returned, having
begun after the write was over; a name is there, or gone, once the fsync of its folder did. All else may be lost, may
be there, or may be there in part.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

CALLS: Final = (
    "openat,open,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,truncate,fallocate"
)
_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$", re.DOTALL)
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<.*>)?.*$", re.DOTALL)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_HANDLE = re.compile(r"^(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_SYNCS = ("fsync", "fdatasync")


@dataclass(slots=True)
class Call:
    """One call that succeeded. begun, ended: lines of the log; path: of the handle; texts: strings it was given."""

    name: str
    begun: int
    ended: int
    path: str
    texts: list[bytes]
    arguments: str
    result: int


def calls_of(log: Path) -> list[Call]:
    """In the order in which they returned. Fails when the log was cut short of what the test needs."""
    waiting: dict[str, tuple[int, str]] = {}
    found = []
    for number, line in enumerate(log.read_text(encoding="ascii").splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match[1], match[2]
        begun = number
        if text.endswith("<unfinished ...>"):
            waiting[thread] = (number, text.removesuffix("<unfinished ...>").rstrip())
            continue
        if (resumed := _RESUMED.match(text)) is not None:
            begun, head = waiting.pop(thread)
            text = head + resumed[1]
        call = _call(text, begun, number)
        if call is not None:
            found.append(call)
    return found


def _call(text: str, begun: int, ended: int) -> Call | None:
    match = _CALL.match(text)
    if match is None or int(match[3]) < 0:
        return None
    name, arguments = match[1], match[2]
    assert all(cut == "" for _, cut in _TEXT.findall(arguments)), "strace cut a string: its -s is too small"
    handle = _HANDLE.match(arguments)
    texts = [_bytes(hexed) for hexed, _ in _TEXT.findall(arguments)]
    path = "" if handle is None else _bytes(handle[1]).decode()
    return Call(name, begun, ended, path, texts, arguments, int(match[3]))


def _bytes(hexed: str) -> bytes:
    return bytes.fromhex(hexed.replace("\\x", ""))


@dataclass(slots=True)
class _File:
    """content: as the process sees it. synced: as the disk has it for sure. dirty: changed since."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    is_folder: bool = False


@dataclass(slots=True)
class _Naming:
    """A change of a name that its folder's fsync has not followed yet. `file` is None for a removal."""

    path: str
    file: _File | None


class Disk:
    """All files below `root` (an absolute path), call by call."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._names: dict[str, _File] = {}
        self._synced_names: dict[str, _File] = {}
        self._unsynced: list[_Naming] = []
        self._seen: dict[int, bytes] = {}  # begun line of a running sync -> what it will make sure of

    def apply(self, call: Call) -> None:
        """The next call, in the order of returning."""
        if call.name in _SYNCS:
            self._sync(call.path)
        elif call.name in ("write", "pwrite64", "writev", "pwritev"):
            self._write(call)
        elif call.name in ("openat", "open", "creat"):
            self._open(call)
        elif call.name in ("ftruncate", "truncate"):
            self._truncate(call)
        elif call.name in ("mkdir", "mkdirat"):
            self._name(_path(call), _File(is_folder=True))
        elif call.name.startswith(("rename", "link")):
            self._move(call, keep=call.name.startswith("link"))
        elif call.name.startswith(("unlink", "rmdir")):
            self._name(_path(call), None)

    def unsynced(self, suffix: str) -> list[str]:
        """Paths with content, or with a name, that is not on disk for sure."""
        named = {naming.path for naming in self._unsynced if naming.file is not None}
        return [
            path
            for path, file in self._names.items()
            if path.endswith(suffix) and (path in named or bytes(file.content) != file.synced)
        ]

    def after_power_cut(self, target: Path, random: Random | None = None) -> None:
        """Write what is left into `target`. Without `random`: only what is there for sure. With it: any part of the
        rest, too: the first few namings, and some of the bytes at the end of files, the last of them damaged."""
        names = dict(self._synced_names)
        kept = self._unsynced[: random.randint(0, len(self._unsynced))] if random else []
        for naming in kept:
            _put(names, naming)
        for path, file in sorted(names.items()):
            if not _has_parents(names, path, self.root):
                continue
            place = target / os.path.relpath(path, self.root)
            if file.is_folder:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_left(file, random))

    def _inside(self, path: str) -> bool:
        return path.startswith(self.root + "/")

    def _name(self, path: str, file: _File | None) -> None:
        if self._inside(path):
            naming = _Naming(path, file)
            _put(self._names, naming)
            self._unsynced.append(naming)

    def _open(self, call: Call) -> None:
        path = _path(call)
        if not self._inside(path) or "O_DIRECTORY" in call.arguments:
            return
        if path not in self._names and (call.name == "creat" or "O_CREAT" in call.arguments):
            self._name(path, _File())
        elif "O_TRUNC" in call.arguments and path in self._names:
            self._names[path].content.clear()

    def _write(self, call: Call) -> None:
        file = self._names.get(call.path)
        if file is None:
            return
        data = b"".join(call.texts)[: call.result]
        at = len(file.content)
        if call.name == "pwrite64":
            at = int(call.arguments.rsplit(", ", 1)[1])
        file.content[at : at + len(data)] = data

    def _truncate(self, call: Call) -> None:
        file = self._names.get(call.path or _path(call))
        if file is not None:
            size = int(call.arguments.rsplit(", ", 1)[1])
            del file.content[size:]
            file.content.extend(bytes(size - len(file.content)))

    def _move(self, call: Call, *, keep: bool) -> None:
        old, new = (_joined(call, text.decode()) for text in call.texts[:2])
        file = self._names.get(old)
        if file is None:
            return
        self._name(new, file)
        if not keep:
            self._name(old, None)

    def _sync(self, path: str) -> None:
        file = self._names.get(path)
        if file is not None and not file.is_folder:
            file.synced = bytes(file.content)
        if path == self.root or (file is not None and file.is_folder):
            for naming in self._unsynced:
                if os.path.dirname(naming.path) == path:
                    _put(self._synced_names, naming)
            self._unsynced = [naming for naming in self._unsynced if os.path.dirname(naming.path) != path]


def in_order(calls: list[Call]) -> Iterator[Call]:
    """As `Disk.apply` wants them: a sync counts from its beginning, all else from its end. So a sync never covers a
    write that was not over when it began. That a sync is taken for done at its beginning is made good by whoever asks
    about a moment: no answer lies between the two in a process with one thread that waits for the sync."""
    return iter(sorted(calls, key=lambda call: call.begun if call.name in _SYNCS else call.ended))


def _put(names: dict[str, _File], naming: _Naming) -> None:
    if naming.file is None:
        names.pop(naming.path, None)
    else:
        names[naming.path] = naming.file


def _has_parents(names: dict[str, _File], path: str, root: str) -> bool:
    folder = os.path.dirname(path)
    while folder != root:
        if folder not in names:
            return False
        folder = os.path.dirname(folder)
    return True


def _left(file: _File, random: Random | None) -> bytes:
    content, synced = bytes(file.content), file.synced
    if random is None or content == synced or not content.startswith(synced):
        return synced
    kept = bytearray(content[: random.randint(len(synced), len(content))])
    if len(kept) > len(synced) and random.random() < 0.5:  # blocks that were given to the file but never written
        start = random.randint(len(synced), len(kept) - 1)
        kept[start:] = bytes(len(kept) - start)
    return bytes(kept)


def _path(call: Call) -> str:
    return _joined(call, call.texts[0].decode())


def _joined(call: Call, path: str) -> str:
    return os.path.normpath(os.path.join(call.path, path))
