"""Secret words tell that a text speaks of users, storages and secrets, also when they are mistyped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

SUBJECTS: Final = ("USER", "ROLE", "STORAGE", "LOGIN", "ACCOUNT")
SECRETS: Final = ("PASSWORD", "CREDENTIALS", "IDENTIFIED", "SECRET")
# Behind these stands what may be shown; where any other word is, none of them is trusted.
_OPEN: Final = (
    "TYPE URI REGION ENDPOINT SHARED_TEMPLATE USER_TEMPLATE SHARDING DESCRIPTION EMAIL ROLE STORAGE STORAGE_MODE"
)
OPEN_OPTIONS: Final = frozenset(_OPEN.split())
_OTHERS: Final = "CREATE ALTER DROP UNDROP CHECK USER IF NOT EXISTS WITH SET NULL PASSWORD CREDENTIALS EXECUTE AS"
VOCABULARY: Final = OPEN_OPTIONS | frozenset(_OTHERS.split())
# Names of columns, options and keys of JSON whose values are no one's business.
SECRET_NAME: Final = re.compile(r"pass|pwd|secret|credential", re.IGNORECASE)
# In definitions these, too; they are usual names of columns in queries.
SECRET_IN_DEFINITION: Final = re.compile(
    r"pass|pwd|secret|credential|token|auth|signature|api_?key|access_?key|private_?key|(?:^|[_-])key$", re.IGNORECASE
)
SUSPECT: Final = re.compile(
    r"pass|pwd|pasw|psw|paw|secret|credent|identified|://[^/\s]*@|[?&][\w-]{0,40}(?:sig|token|key|auth)[\w-]{0,40}=",
    re.IGNORECASE,
)
_LETTERS_MAX: Final = 20
_FAR: Final = 9


def is_like(word: str, meant: Iterable[str]) -> bool:
    """Whether `word` is one of `meant` (upper case), give or take a letter, or two in long ones."""
    return _is_like(word.upper()[: _LETTERS_MAX + 1], tuple(meant))


@lru_cache(maxsize=2048)
def _is_like(word: str, meant: tuple[str, ...]) -> bool:
    letters = set(word)
    return any(_distance(word, one) <= (2 if len(one) > 5 else 1) for one in meant if len(set(one) - letters) < 3)


def _distance(a: str, b: str) -> int:
    """Letters left out, added, changed or swapped with their neighbour."""
    if abs(len(a) - len(b)) > 2:
        return _FAR
    older: list[int] = []
    old = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        new = [i]
        for j, y in enumerate(b, start=1):
            best = min(old[j] + 1, new[-1] + 1, old[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, older[j - 2] + 1)
            new.append(best)
        older, old = old, new
    return old[-1]
