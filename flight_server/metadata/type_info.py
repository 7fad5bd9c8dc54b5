"""XdbcTypeInfo lists the SQL types, with what JDBC and ODBC tools ask about each (CommandGetXdbcTypeInfo)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

XDBC_TYPE_INFO_SCHEMA: Final = pa.schema(
    [
        pa.field("type_name", pa.utf8(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.utf8()),
        pa.field("literal_suffix", pa.utf8()),
        pa.field("create_params", pa.list_(pa.field("item", pa.utf8(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.utf8()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)
_DATETIME: Final = 9
_NULLABLE: Final = 1
_SEARCHABLE: Final = 3
_SEARCHABLE_BUT_LIKE: Final = 2


@dataclass(frozen=True, slots=True)
class _Type:
    """One SQL type. `code` is XdbcDataType's number; `size` digits, characters or bytes as ODBC counts them."""

    name: str
    code: int
    size: int | None = None
    quote: str | None = None
    params: tuple[str, ...] | None = None
    radix: int | None = None
    unsigned: bool | None = None
    scales: tuple[int, int] | None = None
    subcode: int | None = None

    def row(self) -> dict[str, object]:
        is_text = self.code in (1, 12, -1)
        return {
            "type_name": self.name,
            "data_type": self.code,
            "column_size": self.size,
            "literal_prefix": self.quote,
            "literal_suffix": None if self.quote is None else "'",
            "create_params": None if self.params is None else list(self.params),
            "nullable": _NULLABLE,
            "case_sensitive": is_text,
            "searchable": _SEARCHABLE if is_text else _SEARCHABLE_BUT_LIKE,
            "unsigned_attribute": self.unsigned,
            "fixed_prec_scale": False,
            "auto_increment": None if self.unsigned is None else False,
            "local_type_name": self.name,
            "minimum_scale": None if self.scales is None else self.scales[0],
            "maximum_scale": None if self.scales is None else self.scales[1],
            "sql_data_type": self.code if self.subcode is None else _DATETIME,
            "datetime_subcode": self.subcode,
            "num_prec_radix": self.radix,
            "interval_precision": None,
        }


_TYPES: Final = (
    _Type("BOOLEAN", -7, size=1),
    _Type("TINYINT", -6, size=3, radix=10, unsigned=False, scales=(0, 0)),
    _Type("TINYINT UNSIGNED", -6, size=3, radix=10, unsigned=True, scales=(0, 0)),
    _Type("SMALLINT", 5, size=5, radix=10, unsigned=False, scales=(0, 0)),
    _Type("SMALLINT UNSIGNED", 5, size=5, radix=10, unsigned=True, scales=(0, 0)),
    _Type("INTEGER", 4, size=10, radix=10, unsigned=False, scales=(0, 0)),
    _Type("INTEGER UNSIGNED", 4, size=10, radix=10, unsigned=True, scales=(0, 0)),
    _Type("BIGINT", -5, size=19, radix=10, unsigned=False, scales=(0, 0)),
    _Type("BIGINT UNSIGNED", -5, size=20, radix=10, unsigned=True, scales=(0, 0)),
    _Type("REAL", 7, size=24, radix=2, unsigned=False),
    _Type("DOUBLE", 8, size=53, radix=2, unsigned=False),
    _Type("DECIMAL", 3, size=38, params=("precision", "scale"), radix=10, unsigned=False, scales=(0, 38)),
    _Type("VARCHAR", 12, size=2**31 - 1, quote="'", params=("length",)),
    _Type("JSON", -1, size=2**31 - 1, quote="'"),
    _Type("BYTEA", -3, size=2**31 - 1, quote="X'"),
    _Type("UUID", 1, size=36, quote="'"),  # travels as text
    _Type("DATE", 91, size=10, quote="DATE '", subcode=1),
    _Type("TIME", 92, size=18, quote="TIME '", scales=(0, 9), subcode=2),
    _Type("TIMESTAMP", 93, size=29, quote="TIMESTAMP '", scales=(0, 9), subcode=3),
    _Type("TIMESTAMP WITH TIME ZONE", 93, size=35, quote="TIMESTAMP '", scales=(0, 9), subcode=5),
    _Type("INTERVAL", 10, size=64, quote="INTERVAL '"),
    _Type("ARRAY", 0),
    _Type("MAP", 0),
    _Type("STRUCT", 0),
    _Type("NULL", 0),  # of SELECT NULL
)


def xdbc_type_info(data_type: int | None = None) -> pa.Table:
    """All types, or those of one number, ordered by number and name."""
    wanted = [type_ for type_ in _TYPES if data_type in (None, type_.code)]
    rows = [type_.row() for type_ in sorted(wanted, key=lambda type_: (type_.code, type_.name))]
    return pa.Table.from_pylist(rows, schema=XDBC_TYPE_INFO_SCHEMA)
