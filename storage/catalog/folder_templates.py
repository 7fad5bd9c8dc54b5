"""Folder templates name the folders of cold files below a storage's base, from names that can't climb out of it.

A template is pieces separated by `/`; a piece is letters, digits and `_ - . =` with variables in `{}`. It is read
once, from left to right: what a variable stands for is never looked through for variables again.

A table's definition says how its names and its namespace's are written in folders, since older ones must stay:

    1  case is kept: for the plain names that there were
    2  A to Z are percent-encoded too, so that a file system which knows no case keeps names apart; so are dots, since
       no folder may look like a file, and the first letter of what Windows keeps for a device. What gets longer than
       FOLDER_CHARACTERS_MAX is cut, with `~` and a hash of the name behind it. Users' names are written as in 1.

    shared tables  {namespace}/{tableName}                   in this order
    user tables    {namespace}/{tableName}/{shard}/{userId}  in this order, {userId} required

A piece that comes to nothing ({shard} where users are not sharded) is left out.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from storage.catalog.schema import KEEPS_CASE, Owner, TableDef
from storage.errors import InvalidRequest

SHARED_TEMPLATE: Final = "{namespace}/{tableName}"
USER_TEMPLATE: Final = "{namespace}/{tableName}/{shard}/{userId}"
TEMPLATE_CHARACTERS_MAX: Final = 200
FOLDER_CHARACTERS_MAX: Final = 160  # file systems take 255, S3 1024 for all folders and the file
SHARDS_MAX: Final = 65_536
RANGE_MAX: Final = 1_000_000_000
_HASH_CHARACTERS: Final = 32
_CUT: Final = "~"
_AS_IT_IS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_DEVICE: Final = re.compile(r"con|prn|aux|nul|com\d|lpt\d")
_SHARED_VARIABLES: Final = ("namespace", "tableName")
_USER_VARIABLES: Final = ("namespace", "tableName", "shard", "userId")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_LITERAL: Final = re.compile(r"[A-Za-z0-9_.=-]*")
_SHARDING: Final = re.compile(r"(none|alphabetic|numeric|hash)(?:\(\s*(\d{1,12})\s*\))?")
_SHARDINGS: Final = "'none', 'alphabetic', 'numeric(1000)' or 'hash(16)'"
_DEFAULT_SIZE: Final = {"numeric": 1000, "hash": 16}
_SIZE_MAX: Final = {"numeric": RANGE_MAX, "hash": SHARDS_MAX}


@dataclass(frozen=True, slots=True)
class Sharding:
    """How users are spread over folders. size: users in a range (numeric), or number of shards (hash)."""

    way: str = "none"
    size: int = 0

    def shard(self, owner: Owner) -> str:
        """The shard of one user; "" without sharding."""
        if self.way == "alphabetic":
            return _letter(owner.name[:1].lower())
        if self.way == "numeric":
            low = owner.number // self.size * self.size
            return f"{low}-{low + self.size - 1}"
        return str(zlib.crc32(owner.name.encode()) % self.size) if self.way == "hash" else ""

    def __str__(self) -> str:
        return f"{self.way}({self.size})" if self.size else self.way


def parse_sharding(text: str) -> Sharding:
    """'none', 'alphabetic', 'numeric(users in a range)' or 'hash(shards)'. Raises InvalidRequest."""
    match = _SHARDING.fullmatch(text.strip().lower())
    if match is None or (match[2] and match[1] not in _DEFAULT_SIZE):
        raise InvalidRequest(f"bad sharding '{text[:60]}': use {_SHARDINGS}")
    size = int(match[2]) if match[2] else _DEFAULT_SIZE.get(match[1], 0)
    if match[1] in _DEFAULT_SIZE and not 1 <= size <= _SIZE_MAX[match[1]]:
        raise InvalidRequest(f"bad sharding '{text[:60]}': the number goes from 1 to {_SIZE_MAX[match[1]]}")
    return Sharding(match[1], size)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one storage names folders. The templates are checked."""

    shared_template: str = SHARED_TEMPLATE
    user_template: str = USER_TEMPLATE
    sharding: Sharding = Sharding()

    def folder_of(self, table: TableDef) -> str:
        """The folder of a partition's files, relative, with `/` between its parts."""
        written = folder_name if table.folder_rule == KEEPS_CASE else portable_folder_name
        folders = {"namespace": written(table.name.namespace), "tableName": written(table.name.table)}
        if table.owner is None:
            return expanded(self.shared_template, folders)
        shard, user = self.sharding.shard(table.owner), table.owner.name
        return expanded(self.user_template, folders | {"shard": folder_name(shard), "userId": folder_name(user)})


DEFAULT_LAYOUT: Final = Layout()


def folder_of(table: TableDef) -> str:
    """As a storage without templates of its own names it.

    A user table's files are apart for each of its owners: no file ever holds rows of two.
    """
    return DEFAULT_LAYOUT.folder_of(table)


def expanded(template: str, folders: dict[str, str]) -> str:
    """A checked template with its variables filled in, once, by names of folders."""
    pieces = (_VARIABLE.sub(lambda found: folders[found[1]], piece) for piece in template.split("/"))
    return "/".join(filter(None, pieces))


def folder_name(name: str) -> str:
    """A name as the name of a folder: whatever it is, it stays one folder and climbs nowhere.

    Letters, digits and `_ - ~ @ +` stay, a dot too, but for a leading one; the rest is percent-encoded.
    """
    quoted = quote(name, safe="@+")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def portable_folder_name(name: str) -> str:
    """As `folder_name`, and apart from every other name where case does not count, too; never too long."""
    text = "".join(c if c in _AS_IT_IS else "".join(f"%{byte:02X}" for byte in c.encode()) for c in name)
    if _DEVICE.fullmatch(text):
        text = f"%{ord(text[0]):02X}{text[1:]}"
    if len(text) <= FOLDER_CHARACTERS_MAX:
        return text
    head = re.sub(r"%.?$", "", text[: FOLDER_CHARACTERS_MAX - len(_CUT) - _HASH_CHARACTERS])
    return head + _CUT + hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]


def name_of_folder(folder: str) -> str | None:
    """Inverse of both; None for a name that was cut."""
    return None if _CUT in folder else unquote(folder)


def checked_shared_template(text: str) -> str:
    """Raises InvalidRequest with a correct example."""
    return _checked("SHARED_TEMPLATE", text, _SHARED_VARIABLES, (), SHARED_TEMPLATE)


def checked_user_template(text: str) -> str:
    """Raises InvalidRequest with a correct example."""
    return _checked("USER_TEMPLATE", text, _USER_VARIABLES, ("userId",), USER_TEMPLATE)


def _checked(what: str, text: str, known: tuple[str, ...], required: tuple[str, ...], example: str) -> str:
    problem = _problem(text, known, required)
    if problem is not None:
        shown = text if len(text) <= 80 else text[:77] + ".."
        raise InvalidRequest(f"bad {what} '{shown}': {problem}; a correct one is '{example}'")
    return text


def _problem(text: str, known: tuple[str, ...], required: tuple[str, ...]) -> str | None:
    """What is wrong with a template, None when nothing is."""
    if not 0 < len(text) <= TEMPLATE_CHARACTERS_MAX:
        return f"it must have 1 to {TEMPLATE_CHARACTERS_MAX} characters"
    names = _VARIABLE.findall(text)
    for name in names:
        if name not in known:
            return f"there is no variable '{{{name[:40]}}}', only {_shown(known)}"
    for name in required:
        if name not in names:
            return f"{{{name}}} is missing"
    for piece in text.split("/"):
        if not piece or set(piece) == {"."}:
            return "it may not begin or end with '/', nor hold '//', '.' or '..'"
        if any(_LITERAL.fullmatch(part) is None for part in _VARIABLE.split(piece)[::2]):
            return "beside variables it may hold letters, digits, '_', '-', '.', '=' and '/'"
    if [known.index(name) for name in names] != sorted({known.index(name) for name in names}):
        return f"variables stand in the order {_shown(known)}, each at most once"
    return None


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _letter(first: str) -> str:
    if "a" <= first <= "z":
        return first
    return "0-9" if "0" <= first <= "9" else "other"
