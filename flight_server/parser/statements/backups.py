"""Statements about backups, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackupDatabase:
    """`BACKUP DATABASE TO 'uri'`"""

    uri: str


@dataclass(frozen=True, slots=True)
class RestoreDatabase:
    """`RESTORE DATABASE FROM 'uri' [BACKUP 'id']`; without an id the newest backup there."""

    uri: str
    backup_id: str | None = None


@dataclass(frozen=True, slots=True)
class ShowBackup:
    """`SHOW BACKUP 'uri'`"""

    uri: str


BackupStatement = BackupDatabase | RestoreDatabase | ShowBackup
