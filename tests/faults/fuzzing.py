"""Damaged bytes, the same ones for the same seed, and the corpus of those that were worth keeping.

`corpus/<kind>/` holds small files, all of which are tried in each run. Whatever a fuzz test finds is written there
under its checksum, to be committed with the cure.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.faults.raw_grpc import flight_data

CORPUS = Path(__file__).parent / "corpus"
ODD_NUMBERS = (-1, 0, 1, 7, 255, 2**15, 2**31 - 1, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))


def corpus(kind: str) -> list[Path]:
    return sorted((CORPUS / kind).iterdir())


def keep(kind: str, data: bytes) -> Path:
    """Write a find into the corpus."""
    path = CORPUS / kind / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def damaged(random: Random, data: bytes) -> bytes:
    """`data` after a few changes: bytes flipped, numbers made odd, parts cut out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(changed) + 1)
        end = min(len(changed), at + random.choice((1, 4, 8, 64)))
        match random.randrange(6):
            case 0 | 1:
                for place in range(at, min(end, at + 4)):
                    changed[place] ^= random.randrange(1, 256)
            case 2 | 3:
                size, code = random.choice(((2, "<h"), (4, "<i"), (8, "<q")))
                at -= at % size  # where Arrow and flatbuffers have theirs
                if at + size <= len(changed):
                    wrapped = (random.choice(ODD_NUMBERS) + (1 << 8 * size - 1)) % (1 << 8 * size) - (1 << 8 * size - 1)
                    struct.pack_into(code, changed, at, wrapped)
            case 4:
                del changed[at:end]
            case _:
                changed[at:at] = changed[at:end]
    return bytes(changed)


# --- uploads: what a DoPut sends, one (header, body) for each message of Arrow's --------------------------------------

Upload = list[tuple[bytes, bytes]]


def upload_of(stream: bytes) -> Upload:
    """The messages of an IPC stream."""
    return list(_messages(stream))


def damaged_upload(random: Random, upload: Upload) -> Upload:
    """One or two of its messages damaged, at times dropped, doubled or moved."""
    changed = list(upload)
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(changed))
        header, body = changed[at]
        match random.randrange(12):
            case 0:
                changed.insert(random.randrange(len(changed)), changed[at])
            case 1 if len(changed) > 1:
                del changed[at]
            case 2:
                changed.append(changed.pop(at))
            case 3 | 4 | 5 | 6 | 7:
                changed[at] = (damaged(random, header), body)
            case _:
                changed[at] = (header, damaged(random, body))
    return changed


def flight_messages(upload: Upload, descriptor: bytes) -> list[bytes]:
    return [
        flight_data(header, body, None if number else descriptor) for number, (header, body) in enumerate(upload)
    ] or [flight_data(b"", b"", descriptor)]


def packed(upload: Upload) -> bytes:
    """As one file of the corpus."""
    return b"".join(struct.pack("<II", len(header), len(body)) + header + body for header, body in upload)


def unpacked(data: bytes) -> Upload:
    upload, at = [], 0
    while at < len(data):
        header, body = struct.unpack_from("<II", data, at)
        at += 8
        upload.append((data[at : at + header], data[at + header : at + header + body]))
        at += header + body
    return upload


def _messages(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each is: 0xFFFFFFFF | size of the header | header | body, whose size the header alone knows: where the next
    message begins is found by asking pyarrow."""
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(stream)
    for message in reader:
        yield message.metadata.to_pybytes(), message.body.to_pybytes() if message.body is not None else b""
