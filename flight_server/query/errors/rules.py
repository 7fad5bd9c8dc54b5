"""Mapping rules give for each sentence of the engine a class, an SQLSTATE and a sentence of ours. Read by `errors`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from storage.errors import (
    Corruption,
    FrostlineError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    NotSupported,
    StorageUnavailable,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` found in the engine's own words -> `kind` with `sqlstate`; `sentence` may use the pattern's groups,
    which have the caller's words."""

    pattern: re.Pattern[str]
    kind: type[FrostlineError]
    sqlstate: str
    sentence: str | None = None  # None: DataFusion's own words, cleaned


def _rule(pattern: str, kind: type[FrostlineError], sqlstate: str, sentence: str | None = None) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE | re.DOTALL), kind, sqlstate, sentence)


# Looked for where the engine begins to speak, in all of the message. The first that matches wins, as below.
OPENINGS: Final = (
    _rule(r"(?:Resources exhausted: )?The used disk space|No space left on device|File too large", LimitExceeded,
          "53100", "the disk for intermediate results is full; select fewer rows, or give the server more disk"),
    _rule(r"Resources exhausted: ", LimitExceeded, "53200",
          "the statement needs more memory than the server gives; select fewer rows or columns"),
    _rule(r"(?:Object Store error|Parquet error|External): .*?(?:Generic \w+ error|Error performing (?:GET|HEAD|LIST))"
          r"|Generic \w+ error: ", StorageUnavailable, "58030",
          "a storage that the table has files in can't be reached or refuses; try again later"),
    _rule(r"Object Store error: |Parquet error: |parquet: |Parquet argument error: |No such file or directory",
          Corruption, "XX001",
          "a cold file of a table is missing or damaged; the operator finds it in the server's log"),
    _rule(r"IO error: |Internal error: No suitable object store", StorageUnavailable, "58030",
          "the server could not read or write a file for this statement; try again later"),
    _rule(r"Column '[^\n]*' is declared as non-nullable but contains null", Corruption, "XX001",
          "a NOT NULL column of a table holds a NULL; the operator finds it in the server's log"),
    _rule(r"table '(?:frostline\.)?([^\n]*?(?:\.\.{0,2}/[^\n]*|//[^\n]*|\.(?:parquet|csv|json|arrow|avro)))' not found",
          NotFound, "42P01", r"table '\1' does not exist; files can't be read as tables: load them with a bulk ingest"),
    _rule(r"table '(?:frostline\.)?(.*)' not found", NotFound, "42P01", r"table '\1' does not exist"),
    _rule(r"[A-Z][a-z]+ require unique expression names but the expression \"(.+)\" at position \d+ and \".+\" at "
          r"position \d+ have the same name", InvalidRequest, "42701",
          r"two output columns have the same name (\1): give one another name with AS"),
    _rule(r"table function '(.*)' not found", InvalidRequest, "42883", r"there is no table function '\1'"),
    _rule(r"regex parse error:.*\nerror: ([^\n]*)\Z", InvalidRequest, "2201B",
          r"a regular expression can't be read: \1"),
    _rule(r"Regular expression did not compile: CompiledTooBig|Compiled regex exceeds size limit", InvalidRequest,
          "2201B", "a regular expression is too large once its repetitions are written out; ask for fewer of them"),
    # What `rewrite/lookups` makes the engine say.
    _rule(r"Cannot cast string 'Scalar subquery returned more than one row' to value of Int64", InvalidRequest,
          "21000", "a subquery used as a value returned more than one row"),
    _rule(r"Schema contains qualified field name \"?\?table\?\"?", NotSupported, "0A000",
          "a subquery that names columns from outside of it can't be used here in this form; write it as a join"),
)  # fmt: skip

# Looked for in the engine's own words: the narrow ones stand before the wide ones.
RULES: Final = (
    _rule(r"Ambiguous reference to unqualified field (\"(?:[^\"]|\"\")*\"|\S+)", InvalidRequest, "42702",
          r"column \1 is ambiguous: write it with its table, as in t.\1"),
    _rule(r"No field named (.+?)\. Did you mean '(.+?)'\?", InvalidRequest, "42703",
          r"column \1 does not exist; did you mean \2?"),
    _rule(r"No field named (.+?)\.\s+Valid fields are (.{1,300}?)\.?\s*$", InvalidRequest, "42703",
          r"column \1 does not exist; there are \2"),
    _rule(r"No field named (\S+?)\.?(\s|$)", InvalidRequest, "42703", r"column \1 does not exist"),
    _rule(r"Schema contains qualified field name \S+ and unqualified field name (\S+) which would be ambiguous",
          InvalidRequest, "42701", r"two columns have the same name (\1): give one another name with AS"),
    _rule(r"Unary operator '\+' only supports", InvalidRequest, "42804",
          "a + before a value takes numbers and intervals only"),
    _rule(r"Schema contains duplicate (?:un)?qualified field name \"?([^\"]+)\"?", InvalidRequest, "42701",
          r"two columns of a query within have the same name (\1): give one another name with AS"),
    _rule(r"Invalid function '([^']*)'\.\s*Did you mean '([^']*)'", InvalidRequest, "42883",
          r"there is no function '\1'; did you mean '\2'?"),
    _rule(r"Invalid function '([^']*)'", InvalidRequest, "42883", r"there is no function '\1'"),
    _rule(r"No function matches the given name and argument types '(.*?)'\. You", InvalidRequest, "42883",
          r"no function matches \1: cast its arguments to types that it takes"),
    _rule(r"Function '([^']*)' user-defined coercion failed", InvalidRequest, "42883",
          r"function '\1' does not take arguments of these types: cast them to types that it takes"),
    _rule(r"No function matches|failed to match any signature", InvalidRequest, "42883"),
    _rule(r"must appear in the GROUP BY clause|calls cannot be nested", InvalidRequest, "42803"),
    _rule(r"Aggregate functions are not allowed in the (\w+)", InvalidRequest, "42803",
          r"an aggregate can't stand in \1; use HAVING, or a subquery"),
    _rule(r"different number of columns", InvalidRequest, "42601",
          "the queries that are put together have a different number of columns"),
    _rule(r"Too many columns! The subquery should only return one column", InvalidRequest, "42601",
          "a subquery behind IN, or used as a value, must have one column"),
    _rule(r"Correlated scalar subquery must be aggregated", NotSupported, "0A000",
          "a subquery used as a value that names columns from outside of it must be one row, or an aggregate"),
    _rule(r"does not support logical expression WindowFunction", InvalidRequest, "42P20",
          "a window function can't stand here: only in SELECT, ORDER BY and QUALIFY"),
    _rule(r"does not support logical expression (Exists|InSubquery|ScalarSubquery|OuterReferenceColumn)",
          NotSupported, "0A000", "a subquery can't be used in this place; write it as a join, or in WHERE"),
    _rule(r"Correlated scalar subquery can only be used|null_aware anti join|Correlated column is not allowed",
          NotSupported, "0A000", "a subquery that names columns from outside of it can't be used here in this form; "
          "write it as a join"),
    _rule(r"LIKE does not support escape_char", NotSupported, "0A000", "LIKE knows no other ESCAPE than the backslash"),
    _rule(r"only supports? a single SQL statement", InvalidRequest, "42601", "give one statement at a time"),
    _rule(r"No SQL statements were provided", InvalidRequest, "42601", "the statement is empty"),
    _rule(r"Recursion limit|RecursionLimitExceeded", LimitExceeded, "54001",
          "the statement is nested too deeply; write it with fewer brackets, or in several statements"),
    _rule(r"ParserError|SQL error|TokenizerError", InvalidRequest, "42601"),
    _rule(r"(Statement|DML|DDL) not supported: (\w+)", NotSupported, "0A000",
          r"a statement of the kind \2 can't be used here"),
    _rule(r"Scalar subquery returned more than one row", InvalidRequest, "21000",
          "a subquery used as a value returned more than one row"),
    _rule(r"Divide by zero", InvalidRequest, "22012", "division by zero"),
    _rule(r"to Nanosecond|to Timestamp\(ns|represented as nano|of nanosecond timestamps|Timestamp -?\d+ out of range",
          InvalidRequest, "22008",
          "a time before 1678 or after 2261 would have to be computed in nanoseconds, which do not reach there: write "
          "CAST(.. AS TIMESTAMP) for a TIMESTAMP(9), a text or a DATE beside it; a series of days is DATE '..' + value "
          "FROM generate_series(0, n)"),
    _rule(r"Timestamp out of range|Date arithmetic overflow", InvalidRequest, "22008",
          "a time is out of range: the result of a computation with dates, timestamps or intervals is too far away"),
    _rule(r"overflow|too large to store|out of range|Can't cast value|max size is|is too (?:large|big)",
          InvalidRequest, "22003"),
    _rule(r"Cast error|Cannot cast|Parser error: |Error parsing|Unsupported CAST", InvalidRequest, "22P02"),
    _rule(r"argument type for comparison operation Time\d+\(\S+\) \S+ Time\d+\(", InvalidRequest, "42804",
          "times of different precision can't be compared: cast one of them, as in CAST(t AS TIME), or write "
          "'10:00:00' instead of TIME '10:00:00'"),
    _rule(r"Placeholder|No value found for placeholder", InvalidRequest, "07001"),
    _rule(r"not implemented|not supported|unsupported", NotSupported, "0A000"),
    _rule(r"cannot coerce|not coercible|non-boolean|type_coercion", InvalidRequest, "42804"),
)  # fmt: skip
