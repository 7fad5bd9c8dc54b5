"""`_seq` numbers: which time one stands for, which a commit may have, and which are a transaction's own.

from                      year          whose
0                         1970          no commit; of `deletes` the record of what was purged
1                         1970          commits: milliseconds << 20, or the last one plus 1
COMMIT_MS_END << 20       2200          no clock gives these; reached by "plus 1" alone, where an older server had got
FIRST_PROVISIONAL         2213          own rows of an open transaction, never stored; see `first_provisional`
SEQ_END                   2248          nothing: what is left of int64 is room for the rows of one transaction
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np

from storage.errors import ClockRefused

SEQ_TIME_SHIFT: Final = 20  # `_seq` >> this = commit time in ms since 1970; never change: it is on disk
SEQ_MAX: Final = (1 << 63) - 1
SEQS_A_MS: Final = 1 << SEQ_TIME_SHIFT
COMMIT_MS_END: Final = 7_258_118_400_000  # 2200-01-01 UTC; a clock that says so is wrong
SEQ_END: Final = (1 << 63) - (1 << 50)
FIRST_PROVISIONAL: Final = 7 << 60  # 2213-11-22: above what any commit gets, and rising like it
_YEAR_MS_MAX: Final = 253_402_300_799_999  # the end of 9999, the last year that can be written


def ms_of(seq: int) -> int:
    """The time that a `_seq` stands for, in ms since 1970."""
    return seq >> SEQ_TIME_SHIFT


def ms_of_each(seqs: np.ndarray) -> np.ndarray:
    """As `ms_of`, of an int64 array."""
    return seqs >> SEQ_TIME_SHIFT


def seq_at(ms: int) -> int:
    """The first `_seq` of a millisecond; kept within int64 for times before 1970 and after 2248."""
    return min(max(ms, 0), SEQ_MAX >> SEQ_TIME_SHIFT) << SEQ_TIME_SHIFT


def last_seq_at(ms: int) -> int:
    """The last `_seq` of a millisecond; kept within int64 as `seq_at` is."""
    return max(0, min(((ms + 1) << SEQ_TIME_SHIFT) - 1, SEQ_MAX))


def first_seq(last_seq: int, database_ms: int, clock_ms: int) -> int:
    """The first `_seq` of the next commit.

    clock_ms: what the machine's clock says. Raises ClockRefused: no commit may have such a time.
    """
    if clock_ms >= COMMIT_MS_END:
        raise ClockRefused(
            f"the clock of this machine says {written_time(clock_ms)}, and no row can be dated 2200 or later; nothing "
            "was stored: set the clock right"
        )
    first = max(last_seq + 1, seq_at(database_ms))
    if first >= SEQ_END:
        raise ClockRefused(
            f"the newest _seq, {last_seq}, is the last that can be given out; nothing was stored: copy the tables to a "
            "new data directory"
        )
    return first


def first_provisional(*last_seqs: int) -> int:
    """The first number for a transaction's own rows: above every one that it can see of others.

    last_seqs: the newest of the states that it is laid over. Only an older server under a wrong clock left any above
    FIRST_PROVISIONAL.
    """
    return max(FIRST_PROVISIONAL, *(last_seq + 1 for last_seq in last_seqs))


def written_ms(ms: int) -> int:
    """Kept within the years that can be written, for names."""
    return min(max(ms, 0), _YEAR_MS_MAX)


def written_time(ms: int) -> str:
    """For people; of years that can't be written the milliseconds."""
    if not 0 <= ms <= _YEAR_MS_MAX:
        return f"{ms} ms since 1970"
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
