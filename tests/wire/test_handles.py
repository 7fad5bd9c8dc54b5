"""A handle opens for its owner, for a while, and for nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server.wire.handles import HANDLE_BYTES, HandleKind, HandleSigner
from storage.clock import ManualClock
from storage.errors import NotFound


@pytest.fixture
def signer(clock: ManualClock) -> HandleSigner:
    return HandleSigner.with_random_key(clock)


def test_a_handle_opens_for_its_owner(signer):
    handle, id_ = signer.issue(HandleKind.RESULT, "anna", 60)
    assert signer.open(HandleKind.RESULT, "anna", handle) == id_


def test_every_refusal_has_the_same_words(signer, clock):
    handle, _ = signer.issue(HandleKind.RESULT, "anna", 60)
    prepared, _ = signer.issue(HandleKind.PREPARED, "anna", 60)
    foreign, _ = HandleSigner.with_random_key(clock).issue(HandleKind.RESULT, "anna", 60)
    texts = set()
    for owner, bad in [
        ("ben", handle),
        ("anna", prepared),
        ("anna", foreign),
        ("anna", b""),
        ("anna", handle * 20_000),
    ]:
        with pytest.raises(NotFound) as refused:
            signer.open(HandleKind.RESULT, owner, bad)
        texts.add(str(refused.value))
    clock.advance(61)
    with pytest.raises(NotFound) as expired:
        signer.open(HandleKind.RESULT, "anna", handle)
    assert texts == {str(expired.value)}


@given(place=st.integers(0, HANDLE_BYTES - 1), flip=st.integers(1, 255))
def test_an_altered_handle_never_opens(place, flip):
    signer = HandleSigner(ManualClock(), b"k" * 32)
    handle = bytearray(signer.issue(HandleKind.RESULT, "anna", 60)[0])
    handle[place] ^= flip
    with pytest.raises(NotFound):
        signer.open(HandleKind.RESULT, "anna", bytes(handle))
