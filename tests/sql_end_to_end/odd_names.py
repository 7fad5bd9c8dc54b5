"""Names that clients bring: one of each kind, for tests that try all of them."""

from __future__ import annotations

from typing import Final

from storage.catalog.names import quoted

NAMES: Final = (
    *("é", "É", "Ünï", "E\u0301", "日本", "🦀" * 64, "\u200bzero"),
    *("a b", " ", " a ", "tail. ", "a.b", "public.t", "..", "../x", "a/b", "/etc/x", "a\\b", "C:\\x", "~", "-x", "--c"),
    *(
        'q"x',
        '""',
        '"',
        "it's",
        "a;b",
        "'; DROP TABLE t; --",
        '"; DROP TABLE t; --',
        "$1",
        "?",
        "*",
        "[1]",
        "(x)",
        "{x}",
    ),
    *("1a", "0", "_a", "_dlt_loads", "_airbyte_raw", "_fivetran_synced", "_sequence", "__f1", "__index_level_0__"),
    *("Select", "select", "TABLE", "A", "CON", "nul.txt", "x.parquet", "%41", "%2e%2e", "{namespace}"),
    *("t@v5", "t@rows", "@bound", "@action@", "x_session.y", "a,b", "a:b", "a=b", "<b>", "x" * 64, "manifest.json"),
    *("_frostlin", "_change", "_old_key", "k0", "c0", "action", "old_seq", "rows", "frostline"),
)
NO_NAMES: Final = ("", "x" * 65, "x" * 300, "a\nb", "a\tb", "\x1b[31m", "\x7f", "\x85", "a\u2028b", "\u202etxet")
TAKEN: Final = ("_seq", "_updated", "_deleted", "_SEQ", "_frostline", "_Frostline_rows_t")


def text(name: str) -> str:
    """As a string of SQL."""
    return "'" + name.replace("'", "''") + "'"


def with_tail(name: str, tail: str) -> str:
    """Another name that is nearly `name`, quoted."""
    return quoted(name[: 64 - len(tail)] + tail)
