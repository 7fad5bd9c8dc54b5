"""The corpus, damaged anew as long as the share lasts: messages, texts and uploads.

What is found is written into the corpus (tests/faults/corpus), which is replayed in each run of the short tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flight_server.sql.guard import check_text
from flight_server.sql.guard_limits import GuardLimits
from flight_server.sql.parameters import number_parameters
from flight_server.sql.parse import parse
from flight_server.sql.split import split_statements
from flight_server.wire.actions import ACTIONS, decode_action
from flight_server.wire.commands import decode_descriptor, decode_ticket
from flight_server.wire.handles import HandleKind, HandleSigner
from storage.clock import ManualClock
from storage.errors import FrostlineError
from tests.faults.fuzzing import corpus, damaged, damaged_upload, keep, unpacked
from tests.faults.long.conftest import Shift
from tests.faults.test_upload_abuse import GOOD, WORDS, Target, check_survived
from tests.server_process import ServerProcess
from tests.sql.test_guard import PASSING

KINDS = (HandleKind.RESULT, HandleKind.PREPARED)


@contextmanager
def kept(kind: str, data: bytes) -> Iterator[None]:
    """Our own errors are fine; anything else goes into the corpus."""
    try:
        with suppress(FrostlineError):
            yield
    except BaseException:
        print(f"kept as {keep(kind, data)}")
        raise


@pytest.mark.long(weight=0.3)
def test_damaged_messages_give_our_errors_or_a_value(shift: Shift):
    random, sources = shift.random, [path.read_bytes() for path in corpus("messages")]
    signer = HandleSigner.with_random_key(ManualClock())
    for _ in shift.rounds(at_least=3000):
        data = damaged(random, random.choice(sources) + b" ")
        with kept("messages", data):
            decode_descriptor(data)
        with kept("messages", data):
            decode_ticket(data)
        with kept("messages", data):
            decode_action(random.choice(ACTIONS), data)
        handle = signer.issue(random.choice(KINDS), "root", 60)[0]
        changed = damaged(random, handle)
        if changed != handle:
            with pytest.raises(FrostlineError):
                signer.open(HandleKind(handle[0]), "root", changed)


@pytest.mark.long(weight=0.3)
def test_damaged_texts_give_our_errors_or_statements(shift: Shift):
    random, sources = shift.random, [path.read_bytes() for path in corpus("texts")]
    sources += [text[:3000].encode() for text in PASSING.values()]
    for _ in shift.rounds(at_least=500):
        data = damaged(random, random.choice(sources))
        text = data.decode(errors=random.choice(("replace", "surrogateescape")))
        with kept("texts", data):
            check_text(text, GuardLimits())
            for statement in split_statements(number_parameters(text).sql):
                parse(statement)


@pytest.mark.long
def test_damaged_uploads_are_survived(tmp_path: Path, shift: Shift):
    random = shift.random
    sources = [GOOD, WORDS, *(unpacked(path.read_bytes()) for path in corpus("uploads"))]
    with ServerProcess(tmp_path / "data") as process:
        target = Target(process)
        for _ in shift.rounds(at_least=1000):
            upload = random.choice([source for source in sources if source])
            check_survived(target, damaged_upload(random, upload))
        assert process.stop() == 0
        assert [event for event in process.events if event["event"] == "internal error"] == []
