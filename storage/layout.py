"""Where cold files lie: folders below the `cold` folder, made of checked names only."""

from __future__ import annotations

from urllib.parse import quote

from storage.schema import TableDef


def folder_of(table: TableDef) -> str:
    """The folder of a partition's files, relative, with `/` between its parts.

    A user table's files are apart for each of its owners: no file ever holds rows of two.
    """
    folder = f"{table.name.namespace}/{table.name.table}"
    return folder if table.owner is None else f"{folder}/{folder_name(table.owner.name)}"


def folder_name(user: str) -> str:
    """A user's name as the name of a folder: whatever it is, it stays one folder and climbs nowhere.

    Letters, digits and `_ - ~ @ +` stay, a dot too, but for a leading one; the rest is percent-encoded.
    """
    name = quote(user, safe="@+")
    return "%2E" + name[1:] if name.startswith(".") else name
