"""SqlInfo tells what this server is and can, by the protocol's numbers (CommandGetSqlInfo).

The values are claims that clients act on: each must be true of the SQL that runs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

Value = str | bool | int | None | tuple[str, ...] | Mapping[int, tuple[int, ...]]

_LISTED = pa.list_(pa.utf8())
_MAPPED = pa.map_(pa.int32(), pa.list_(pa.int32()))
# The members of the union; their order is the protocol's and gives the type codes 0..5.
_MEMBERS: Final = (
    pa.field("string_value", pa.utf8()),
    pa.field("bool_value", pa.bool_()),
    pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()),
    pa.field("string_list", _LISTED),
    pa.field("int32_to_int32_list_map", _MAPPED),
)
_STRING, _BOOL, _INT64, _INT32, _LIST, _MAP = range(6)

SQL_INFO_SCHEMA: Final = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field("value", pa.dense_union(list(_MEMBERS)), nullable=False),
    ]
)

_ESCAPE: Final = "\\"
_KEYWORDS: Final = (
    "ANALYZE COMPACT CONFLICT DESCRIBE DO DURABILITY EXPLAIN FLUSH IF ILIKE JOB KILL LATERAL LIMIT MERGE NAMESPACE "
    "NOTHING OFFSET OVER PARTITION QUALIFY REPLACE RETURNING SAVEPOINT SHARED SHOW STREAM STRUCT SYSTEM_TIME TRUNCATE "
    "UNNEST USE VERSION WAIT WINDOW"
)
_NUMERIC: Final = (
    "abs acos asin atan atan2 cbrt ceil cos cot degrees exp factorial floor gcd lcm ln log log10 log2 pi power radians "
    "random round signum sin sqrt tan trunc"
)
_TEXT: Final = (
    "ascii bit_length btrim char_length chr concat concat_ws ends_with initcap left length levenshtein lower lpad "
    "ltrim octet_length overlay position regexp_like regexp_match regexp_replace repeat replace reverse right rpad "
    "rtrim split_part starts_with string_agg strpos substr translate trim upper"
)
_SYSTEM: Final = "arrow_cast arrow_typeof coalesce greatest ifnull least nullif nvl nvl2 uuid version"
_TIME: Final = (
    "current_date current_time current_timestamp date_bin date_part date_trunc from_unixtime make_date now to_char "
    "to_date to_timestamp to_unixtime"
)
# CAST that the engine has, by SqlSupportsConvert's numbers.
_BIGINT, _BINARY, _BIT, _CHAR, _DATE, _DECIMAL, _FLOAT, _INTEGER = range(8)
_LONGVARBINARY, _LONGVARCHAR, _NUMERIC_, _REAL, _SMALLINT, _TIME_, _TIMESTAMP, _TINYINT, _VARBINARY, _VARCHAR = range(
    10, 20
)
_TEXTS = (_CHAR, _LONGVARCHAR, _VARCHAR)
_INTEGERS = (_BIGINT, _INTEGER, _SMALLINT, _TINYINT)
_NUMBERS = (*_INTEGERS, _DECIMAL, _FLOAT, _NUMERIC_, _REAL)
_BYTES_ = (_BINARY, _LONGVARBINARY, _VARBINARY)
_CONVERT: Final[Mapping[int, tuple[int, ...]]] = {
    **dict.fromkeys(_NUMBERS, (*_NUMBERS, *_TEXTS)),
    **dict.fromkeys(_TEXTS, (*_NUMBERS, *_TEXTS, *_BYTES_, _BIT, _DATE, _TIME_, _TIMESTAMP)),
    **dict.fromkeys(_BYTES_, (*_BYTES_, *_TEXTS)),
    _BIT: (*_INTEGERS, *_TEXTS),
    _DATE: (_DATE, _TIMESTAMP, *_TEXTS),
    _TIME_: (_TIME_, *_TEXTS),
    _TIMESTAMP: (_TIMESTAMP, _DATE, _TIME_, *_TEXTS),
}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What of the answer depends on version and settings."""

    version: str
    session_idle_seconds: float = 3600.0
    transaction_idle_seconds: float = 300.0
    sql_length_bytes_max: int = 1 << 20
    read_only: bool = False


def sql_info(facts: ServerFacts, ids: tuple[int, ...] = ()) -> pa.Table:
    """Rows for `ids`, all when empty, in rising order; ids that are not known have no row."""
    known = _values(facts)
    wanted = sorted(known) if not ids else sorted({id_ for id_ in ids if id_ in known})
    return pa.Table.from_arrays(
        [pa.array(wanted, pa.uint32()), _union([known[id_] for id_ in wanted])], schema=SQL_INFO_SCHEMA
    )


def _union(values: list[tuple[int, Value]]) -> pa.UnionArray:
    """One dense union; each child holds only its own values."""
    children: list[list[Value]] = [[] for _ in _MEMBERS]
    offsets: list[int] = []
    for code, value in values:
        offsets.append(len(children[code]))
        children[code].append(list(value.items()) if isinstance(value, Mapping) else value)  # type: ignore[arg-type]
    arrays = [pa.array(child, member.type) for child, member in zip(children, _MEMBERS, strict=True)]
    codes = pa.array([code for code, _ in values], pa.int8())
    names = [member.name for member in _MEMBERS]
    return pa.UnionArray.from_dense(codes, pa.array(offsets, pa.int32()), arrays, names, list(range(len(_MEMBERS))))


def _values(facts: ServerFacts) -> dict[int, tuple[int, Value]]:
    return {**_server(facts), **_syntax(), **_language(), **_limits(facts), **_transactions()}


def _server(facts: ServerFacts) -> dict[int, tuple[int, Value]]:
    return {
        0: (_STRING, "Frostline"),
        1: (_STRING, facts.version),
        2: (_STRING, pa.__version__),
        3: (_BOOL, facts.read_only),
        4: (_BOOL, True),  # SQL
        5: (_BOOL, False),  # Substrait
        6: (_STRING, None),
        7: (_STRING, None),
        8: (_INT32, 2),  # transactions with savepoints
        9: (_BOOL, True),  # cancel
        10: (_BOOL, True),  # bulk ingestion
        11: (_BOOL, True),  # .. inside transactions
        100: (_INT32, _milliseconds(facts.session_idle_seconds)),  # a prepared statement lives with its session
        101: (_INT32, _milliseconds(facts.transaction_idle_seconds)),
    }


def _syntax() -> dict[int, tuple[int, Value]]:
    return {
        500: (_BOOL, False),  # CREATE CATALOG
        501: (_BOOL, True),  # CREATE SCHEMA
        502: (_BOOL, True),  # CREATE TABLE
        503: (_INT32, 3),  # unquoted names fold to lower case
        504: (_STRING, '"'),
        505: (_INT32, 0),  # quoted names keep their case; the enum has no word for it
        506: (_BOOL, True),
        507: (_INT32, 0),  # NULLs sort high
        508: (_LIST, tuple(_KEYWORDS.split())),
        509: (_LIST, tuple(_NUMERIC.split())),
        510: (_LIST, tuple(_TEXT.split())),
        511: (_LIST, tuple(_SYSTEM.split())),
        512: (_LIST, tuple(_TIME.split())),
        513: (_STRING, _ESCAPE),
        514: (_STRING, ""),  # letters, digits and _ only
        529: (_STRING, "schema"),
        530: (_STRING, "procedure"),
        531: (_STRING, "catalog"),
        532: (_BOOL, True),  # catalog stands first
    }


def _language() -> dict[int, tuple[int, Value]]:
    return {
        515: (_BOOL, True),  # AS
        516: (_BOOL, True),  # NULL + NULL is NULL
        517: (_MAP, _CONVERT),
        518: (_BOOL, True),  # table aliases
        519: (_BOOL, False),  # .. need not differ from table names
        520: (_BOOL, True),  # expressions in ORDER BY
        521: (_BOOL, True),  # ORDER BY a column that is not selected
        522: (_INT32, 0b11),  # GROUP BY unrelated, beyond select
        523: (_BOOL, True),  # LIKE .. ESCAPE
        524: (_BOOL, True),  # NOT NULL
        525: (_INT32, 0b11),  # minimum and core grammar
        526: (_INT32, 0b1),  # ANSI92 entry level
        527: (_BOOL, False),  # integrity enhancement (foreign keys)
        528: (_INT32, 2),  # full outer joins
        533: (_INT32, 0),  # schemas in procedure calls, index and privilege definitions: there are none of these
        534: (_INT32, 0),
        535: (_INT32, 0),  # positioned update, delete
        536: (_BOOL, False),  # SELECT FOR UPDATE
        537: (_BOOL, False),  # stored procedures
        538: (_INT32, 0b0111),  # subqueries: in comparisons, EXISTS, IN; not quantified (ANY, ALL)
        539: (_BOOL, True),  # correlated ones
        540: (_INT32, 0b11),  # UNION, UNION ALL
        574: (_BOOL, False),  # named parameters
        575: (_BOOL, False),
        576: (_BOOL, False),
    }


def _limits(facts: ServerFacts) -> dict[int, tuple[int, Value]]:
    unlimited = (541, 542, 544, 545, 546, 547, 548, 549, 550, 551, 553, 555, 558, 560, 561)
    return {
        **dict.fromkeys(unlimited, (_INT64, 0)),
        543: (_INT64, 255),  # column name
        552: (_INT64, 64),  # schema name
        554: (_INT64, 64),  # catalog name
        556: (_BOOL, True),  # row size includes blobs
        557: (_INT64, facts.sql_length_bytes_max),
        559: (_INT64, 64),  # table name
    }


def _transactions() -> dict[int, tuple[int, Value]]:
    return {
        562: (_INT64, 3),  # repeatable read; int32 by the protocol, which the JDBC driver fails on, as it reads int64
        563: (_BOOL, True),
        564: (_INT32, 1 << 3),  # snapshot isolation: at least repeatable read
        565: (_BOOL, False),  # DDL does not commit
        566: (_BOOL, False),
        567: (_INT32, 1 << 1),  # result sets: forward only
        568: (_INT32, 0),
        569: (_INT32, 1 << 1),  # .. read only
        570: (_INT32, 0),
        571: (_INT32, 0),
        572: (_BOOL, True),  # batch updates
        573: (_BOOL, True),  # savepoints
    }


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), 2**31 - 1)
