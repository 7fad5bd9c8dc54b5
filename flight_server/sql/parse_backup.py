"""BACKUP DATABASE, RESTORE DATABASE and SHOW BACKUP."""

from __future__ import annotations

from typing import Final

from flight_server.sql.backup_statements import BackupDatabase, RestoreDatabase, ShowBackup
from flight_server.sql.cursor import Cursor, not_supported

_PLACE: Final = "the place of the backups, like 'file:///backups/frostline'"


def parse_backup(cursor: Cursor) -> BackupDatabase:
    """`BACKUP DATABASE TO 'uri'`"""
    cursor.expect("BACKUP")
    if cursor.sees("TABLE"):
        raise not_supported("BACKUP TABLE", "use BACKUP DATABASE; a second one adds only what is new")
    cursor.expect("DATABASE", "TO")
    return BackupDatabase(cursor.string(_PLACE))


def parse_restore(cursor: Cursor) -> RestoreDatabase:
    """`RESTORE DATABASE FROM 'uri' [BACKUP 'id']`"""
    cursor.expect("RESTORE")
    if cursor.sees("TABLE"):
        raise not_supported("RESTORE TABLE", "restore the database into a new directory and copy the table from there")
    cursor.expect("DATABASE", "FROM")
    uri = cursor.string(_PLACE)
    return RestoreDatabase(uri, cursor.string("the backup's id") if cursor.accept("BACKUP") else None)


def parse_show_backup(cursor: Cursor) -> ShowBackup:
    """`BACKUP 'uri'`, after SHOW"""
    cursor.expect_any("BACKUP", "BACKUPS")
    return ShowBackup(cursor.string(_PLACE))
