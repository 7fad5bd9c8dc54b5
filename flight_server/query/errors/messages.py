"""Message parsing cuts the engine's messages into what the engine says and what may be a caller's words.

A message is a row of labels ("Arrow error: Cast error: ", "type_coercion\\ncaused by\\n"), then a sentence.
Values, names and patterns of callers stand in the sentence only, mostly between quotes, but whatever quotes they hold
are in there as they are. So what counts for an operator (damage, memory, disk, defects) is looked for only where a
label or the sentence begins (`starts`), anything else outside of quotes (`unquoted`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

CUT: Final = "\x1a"  # stands for each character of a caller

# Labels are listed: `Field a\ncaused by\nParquet error: b not found in struct` is a caller's, who asked for a field.
_LABEL: Final = re.compile(
    r"(?:DataFusion error|Error during planning|Execution error|Arrow error|Schema error|SQL error|Cast error"
    r"|Parser error|Compute error|Invalid argument error|External error|External|Plan error|Not yet implemented"
    r"|This feature is not implemented|IO error|Io error|Object Store error|Parquet error|Parquet argument error"
    r"|Arrow|Internal error|Substrait error|Configuration error|FFI error): "
    r"|failed to call '\w+' "
    r"|(?:(?:Optimizer|Analyzer) rule '\w+' failed|Check (?:optimizer|analyzer)-specific invariants[\w ]*"
    r"|(?:Optimizer|Analyzer) rule: \w+|type_coercion|Invalid regex|Join Error"
    r"|Not enough memory to continue external sort[\w .,:']*)\s*caused by\s+",
    re.IGNORECASE,
)
# Sentences whose quotes are known: what is between the first and the last of them is a caller's, quotes and all.
_FRAMED: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"Cannot cast (?:string|value) '(.*)' to value of [^']*\Z",
        r"Error parsing timestamp from '(.*)' using format '(.*)': [^':]*\Z",
        r"Error parsing timestamp from '(.*)': [^':]*\Z",
        r"Invalid input syntax for type interval: \"(.*)\"",
        r"Date part '(.*)'",
        r"Unsupported date_trunc granularity: '(.*)'",
        r"Unsupported type '(.*)'\. Must be .*?Error unknown token: (.*)\Z",
        r"Unsupported SQL type (.*)\Z",
        r"There is no built-in [a-z ]*named '(.*)'",
        r"Invalid escape character in LIKE expression\..*?got '(.*)'",
        r"Cannot create filter with non-boolean predicate '(.*)' returning ",
        r"regex parse error:(.*)\nerror: [^\n]*\Z",
        r"Field (.*) not found in struct",
        r"(?:Parser|Tokenizer)Error\(\"(.*)\"\)",
    )
)
_QUOTED: Final = re.compile(
    r"(?<![\w'])'((?:[^']|'(?=\w))*)'|\"((?:\\.|[^\"\\])*)\"|`([^`]*)`",
    re.DOTALL,
)


def starts(message: str) -> Iterator[int]:
    """Where the engine begins to speak: the message's first character, and the one behind each label."""
    at = 0
    yield at
    while (label := _LABEL.match(message, at)) is not None:
        at = label.end()
        yield at


def unquoted(message: str) -> str:
    """As long as `message`, with `CUT` for each character that may be a caller's."""
    cut = message
    for at in starts(message):
        framed = next(filter(None, (frame.match(message, at) for frame in _FRAMED)), None)
        for start, end in () if framed is None else framed.regs[1:]:
            cut = _blanked(cut, start, end)
    for found in _QUOTED.finditer(cut):
        cut = _blanked(cut, *found.span(found.lastindex or 0))
    return cut


def _blanked(text: str, start: int, end: int) -> str:
    return f"{text[:start]}{CUT * (end - start)}{text[end:]}"
