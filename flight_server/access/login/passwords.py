"""Passwords checks argon2id hashes, a few at a time, unknown users as slowly as known ones."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from flight_server.access.login.hash_queue import HashQueue, Rank
from storage.catalog.catalog import Catalog
from storage.catalog.users import ROOT, UserRecord
from storage.errors import InvalidRequest

ROOT_ROLE: Final = "system"
PASSWORD_BYTES_MAX: Final = 1024
_GENERATED_BYTES: Final = 18


class Passwords:
    """Hashes and checks. Each check takes 64 MiB for some 50 ms, so that many at once wait for each other."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self.hash_queue = HashQueue(os.cpu_count() or 1)

    def hash(self, password: str) -> str:
        """An argon2id string with its own salt. Raises InvalidRequest (it is empty or too long), LimitExceeded."""
        if not 0 < len(password.encode()) <= PASSWORD_BYTES_MAX:
            raise InvalidRequest(f"a password has 1 to {PASSWORD_BYTES_MAX} bytes; choose another")
        with self.hash_queue.place(Rank.LATELY, is_local=True):
            return self._hasher.hash(password)

    def matches(
        self, user: UserRecord | None, password: str, rank: Rank = Rank.LATELY, *, is_local: bool = True
    ) -> bool:
        """Whether this is the user's password. Takes as long when there is no such user, but for the time in line.

        Raises LimitExceeded.
        """
        if len(password.encode()) > PASSWORD_BYTES_MAX:
            return False
        stored = self._nobody if user is None or not user.password_hash else user.password_hash
        try:
            with self.hash_queue.place(rank, is_local=is_local):
                matched = self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False
        return matched and user is not None and bool(user.password_hash)

    def warm(self) -> None:
        """Make what unknown users are checked against now, so that the first of them is told as fast as the others."""
        _ = self._nobody

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(_GENERATED_BYTES))


@dataclass(frozen=True, slots=True, repr=False)
class RootSetup:
    """What a start has to do about user root.

    record:             to be stored in the catalog; None when it is right already
    generated_password: to be shown to the operator once; None when they chose it
    """

    record: UserRecord | None
    generated_password: str | None


def prepare_root(catalog: Catalog, chosen: str | None, passwords: Passwords, now_ms: int) -> RootSetup:
    """First start: root with the `chosen` password or a generated one. Later: changed when `chosen` differs.

    Raises: InvalidRequest when the chosen one is too long.
    """
    root = catalog.users.get(ROOT)
    chosen = chosen or None  # an empty environment variable is none
    if root is None:
        password = chosen or secrets.token_urlsafe(_GENERATED_BYTES)
        hashed = passwords.hash(password)
        record = UserRecord(name=ROOT, role=ROOT_ROLE, password_hash=hashed, created_ms=now_ms, token_epoch=now_ms)
        return RootSetup(record, None if chosen else password)
    if chosen is None or passwords.matches(root, chosen):
        return RootSetup(None, None)
    epoch = max(root.token_epoch + 1, now_ms)
    changed = msgspec.structs.replace(root, password_hash=passwords.hash(chosen), token_epoch=epoch)
    return RootSetup(changed, None)
