"""Error mapping makes our errors of DataFusion's messages: a class, an SQLSTATE and one clean sentence.

DataFusion says what went wrong only in words (ValueError at planning, a bare Exception at execution, a
PanicException for a bug), so the words are read here and nowhere else. Values and names of callers are among them, and
choose nothing: see `messages`. A sentence that leaves holds no path and none of DataFusion's prefixes.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

import pyarrow as pa

from flight_server.query.errors.failures import engine_failure
from flight_server.query.errors.messages import starts, unquoted
from flight_server.query.errors.rules import OPENINGS, RULES, Rule
from storage.errors import FrostlineError, InvalidRequest, NotSupported

SENTENCE_CHARS_MAX: Final = 600
_MESSAGE_CHARS_MAX: Final = 6000  # of DataFusion's words that are looked at

_PREFIX = re.compile(
    r"^\s*(DataFusion error|Error during planning|Execution error|Arrow error|Schema error|SQL error|Cast error"
    r"|Parser error|Compute error|Invalid argument error|External error|Plan error|Not yet implemented"
    r"|This feature is not implemented|Internal error|Optimizer rule '\w+' failed|caused by"
    r"|type_coercion|Context)\s*:?\s*",
    re.IGNORECASE,
)
_PARSER = re.compile(r'(?:ParserError|TokenizerError)\("(.*)"\)', re.DOTALL)
_NOISE = re.compile(
    r"\s*(This issue was likely caused by a bug|This was likely caused by a bug|backtrace:|Candidate functions:"
    r"|You might need to add explicit type casts|Column names are case sensitive).*",
    re.IGNORECASE | re.DOTALL,
)
_GROUP = re.compile(r"\\(\d)")
_LONG_WORD = re.compile(r"(?<![\w./@+~-])([\w./@+~-]{300})[\w./@+~-]++")
_LONG_BLANK = re.compile(r"(?<!\s)(\s{50})\s++")
_SYSTEM_COLUMN = re.compile(r",? \w+\._(?:seq|updated|deleted)\b")
_PATH = re.compile(r"(?:file://)?(?<!\w)/(?:[\w.@+~-]+/)+[\w.@+~-]*|[\w./@+~-]+\.parquet")
_OWN_CATALOG = re.compile(r"\bfrostline\.(?=\w+\.)")


def raise_mapped(error: BaseException) -> NoReturn:
    """Raise what `error` is for us; what is no failure (KeyboardInterrupt, SystemExit) goes on as it is."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
        raise error
    mapped = query_error(error)
    if mapped is error:
        raise error
    # Only a defect keeps its cause, for the log: DataFusion's own words are in the sentence already.
    raise mapped from (error if mapped.sqlstate.startswith("XX") else None)


def raise_unplanned(error: BaseException) -> NoReturn:
    """As `raise_mapped`, for what comes after the names of the statement were found to be right: a column that is
    missing now got lost while the engine took a correlated subquery apart."""
    if not isinstance(error, FrostlineError) and query_error(error).sqlstate in ("42703", "42701"):
        raise NotSupported(
            "a subquery names columns from outside of it in a place from where the engine can't reach them, such as a "
            "derived table, an outer join, or a subquery two levels below; write it as a join"
        ) from None
    raise_mapped(error)


def query_error(error: BaseException) -> FrostlineError:
    """What `error`, raised by DataFusion, is for us. One of ours (from the catalog) is given back as it is."""
    if isinstance(error, FrostlineError):
        return error
    if not _is_from_the_engine(error):
        return FrostlineError("the server failed on this statement; the operator finds the cause in its log")
    message = _bounded(str(error))
    failed = engine_failure(error, message)
    if failed is not None:
        return failed
    for rule in OPENINGS:
        found = next(filter(None, (rule.pattern.match(message, at) for at in starts(message))), None)
        if found is not None:
            return _by(rule, found, message)
    own = unquoted(message)
    for rule in RULES:
        found = rule.pattern.search(own)
        if found is not None:
            return _by(rule, found, message)
    return InvalidRequest(clean(message), sqlstate="42000" if isinstance(error, ValueError) else "22000")


def _by(rule: Rule, found: re.Match[str], message: str) -> FrostlineError:
    """The error of `rule`; the groups' places are those of the message, whatever `found` was looked for in."""
    if rule.sentence is None:
        return rule.kind(clean(message), sqlstate=rule.sqlstate)
    said = _GROUP.sub(lambda group: message[slice(*found.span(int(group[1])))], rule.sentence)
    return rule.kind(clean(said), sqlstate=rule.sqlstate)


def _bounded(message: str) -> str:
    """Names and texts of the caller may be as long as a statement; the patterns here take their square in steps."""
    message = _LONG_BLANK.sub(r"\1", _LONG_WORD.sub(r"\1..", message))
    if len(message) <= _MESSAGE_CHARS_MAX:
        return message
    half = _MESSAGE_CHARS_MAX // 2
    return f"{message[:half]} .. {message[-half:]}"


def _is_from_the_engine(error: BaseException) -> bool:
    """DataFusion raises ValueError and bare Exceptions, panics come as two types of PyO3's; the rest are defects."""
    kind = type(error)
    return kind in (ValueError, Exception) or isinstance(error, pa.ArrowException) or "Panic" in kind.__name__


def clean(message: str) -> str:
    """One sentence: no prefixes, no advice for DataFusion's developers, no paths."""
    parser = _PARSER.search(message)
    if parser is not None:
        message = f"syntax error: {parser[1]}"
    while (cut := _PREFIX.sub("", message)) != message:
        message = cut
    message = _NOISE.sub("", message)
    message = _PATH.sub("(a file)", message)
    message = _SYSTEM_COLUMN.sub("", message)
    message = _OWN_CATALOG.sub("", message)
    message = " ".join(message.split()).rstrip(".:, ")
    return message[:SENTENCE_CHARS_MAX] or "the statement failed"
