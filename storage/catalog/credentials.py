"""SecretBox encrypts credentials of storages on their way into the catalog and decrypts them where they are used.

The door to cryptography's symmetric side. The key is not in the data directory: it comes from a file that the settings
name, or from the environment. Without it storages with credentials of their own can't be made or used; those that
live by the environment (AWS_ACCESS_KEY_ID, profiles, the machine's role) can.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from storage.errors import InvalidRequest, StorageUnavailable

KEY_VARIABLE: Final = "FROSTLINE_SECRETS_KEY"
_KEY_BYTES: Final = 32
_MAKE_ONE: Final = "make one with: openssl rand -base64 32"
_NO_KEY: Final = (
    f"there is no key to encrypt credentials with: set storage.secrets_key_file or {KEY_VARIABLE} ({_MAKE_ONE}), or "
    "leave CREDENTIALS out and give them by the server's environment"
)
_EXAMPLE: Final = '\'{"access_key_id": "..", "secret_access_key": ".."}\' or \'{"profile": ".."}\''


class S3Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What CREDENTIALS may hold. All empty: what the environment says."""

    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    profile: str = ""

    def __repr__(self) -> str:
        return "S3Credentials(hidden)"


def read_credentials(text: str) -> S3Credentials:
    """Raises InvalidRequest, which repeats nothing of the text."""
    try:
        found = msgspec.json.decode(text, type=S3Credentials)
    except msgspec.DecodeError:
        raise InvalidRequest(f"CREDENTIALS can't be read; a correct value is {_EXAMPLE}") from None
    has_keys = bool(found.access_key_id and found.secret_access_key)
    if has_keys == bool(found.profile) or bool(found.access_key_id) != bool(found.secret_access_key):
        raise InvalidRequest(f"CREDENTIALS need both keys, or a profile; a correct value is {_EXAMPLE}")
    return found


@dataclass(frozen=True, slots=True)
class SecretBox:
    """Seals and opens. `key`: 32 bytes; None without one."""

    key: bytes | None = field(default=None, repr=False)

    def seal(self, credentials: S3Credentials) -> str:
        """Raises InvalidRequest (no key)."""
        if self.key is None:
            raise InvalidRequest(_NO_KEY)
        return self._fernet().encrypt(msgspec.json.encode(credentials)).decode()

    def open(self, storage: str, sealed: str) -> S3Credentials:
        """Raises StorageUnavailable (no key, or another one than they were sealed with)."""
        if not sealed:
            return S3Credentials()
        if self.key is None:
            raise StorageUnavailable(
                f"the credentials of storage '{storage}' can't be read without the key: set storage.secrets_key_file "
                f"or {KEY_VARIABLE} to the one that they were encrypted with"
            )
        try:
            return msgspec.json.decode(self._fernet().decrypt(sealed.encode()), type=S3Credentials)
        except (InvalidToken, msgspec.DecodeError):
            raise StorageUnavailable(
                f"the credentials of storage '{storage}' were encrypted with another key; set that one, or give them "
                f"anew with ALTER STORAGE {storage} SET CREDENTIALS '..'"
            ) from None

    def _fernet(self) -> Fernet:
        assert self.key is not None
        return Fernet(base64.urlsafe_b64encode(self.key))


def secret_box(key_file: str) -> SecretBox:
    """With the key in the file if one is named, else in the environment, else without. Raises InvalidRequest."""
    text = os.environ.get(KEY_VARIABLE, "")
    source = KEY_VARIABLE
    if key_file:
        source = f"storage.secrets_key_file ('{key_file}')"
        try:
            text = Path(key_file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise InvalidRequest(f"{source} can't be read") from None
    if not text.strip():
        return SecretBox()
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidRequest(f"{source} holds no key of 32 bytes in base64; {_MAKE_ONE}")
    return SecretBox(key)
