"""StorageSettings holds what an operator may set about storage. `conf/frostline.toml` says why each default is so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Sizes and limits of the hot and the cold side.

    hot_bytes_max:           hot bytes over the whole database, streams aside, at which writers wait for flushes
    stream_bytes_max:        bytes of all stream tables together at which their writers wait for events to leave
    stream_eviction:         which events leave a stream first whose CREATE does not say
    write_wait_seconds_max:  how long they wait before LimitExceeded
    hot_statement_bytes_max: a single statement with more bytes goes straight to Parquet; into a stream it is refused
    row_group_rows:          rows in a row group of a cold file
    file_bytes_target:       bulk loads and compaction split files at about this size
    group_commit_edits_max:  edits that share one sync
    row_cache_bytes_max:     row groups of cold files kept for reads by key; 0 = none
    audit_kept_days:         after which records of the audit log go
    audit_records_max:       records of the audit log that are kept, whatever their age
    backup_directories:      folders that BACKUP and RESTORE statements may use, and all below them; empty = none
    temporary_bytes_max:     bytes of the temporary tables of one session
    temporary_per_user_bytes_max: bytes of the temporary tables of all sessions of one user
    temporary_total_bytes_max: bytes of the temporary tables of all sessions
    uncommitted_bytes_max:   bytes of rows in memory that transactions changed and did not commit yet
    uncommitted_per_user_bytes_max: of them, by one user
    storage_directories:     below which CREATE STORAGE may use folders
    s3_connect_seconds_max:  for a connection to S3
    s3_read_seconds_max:     between two pieces of an answer of S3
    s3_attempts_max:         of one request to S3
    s3_part_bytes:           larger files go to S3 in parts of so many bytes
    s3_look_seconds:         for so long a listing of S3 is believed before a query reads what it names
    secrets_key_file:        holds the key that credentials of storages are encrypted with; "" = the environment has it
    user_partitions_max:     users' partitions in memory; beyond it the longest unused ones leave
    user_idle_seconds:       after which the partitions of a user leave memory, once nothing of them is hot
    """

    hot_bytes_max: Positive = 1 << 30
    stream_bytes_max: Positive = 512 << 20
    stream_eviction: Literal["ttl", "fifo"] = "ttl"
    write_wait_seconds_max: Annotated[float, Meta(ge=0)] = 30.0
    hot_statement_bytes_max: Positive = 32 << 20
    row_group_rows: Annotated[int, Meta(ge=1024)] = 131_072
    file_bytes_target: Annotated[int, Meta(ge=1 << 20)] = 256 << 20
    group_commit_edits_max: Positive = 512
    row_cache_bytes_max: Annotated[int, Meta(ge=0)] = 64 << 20
    audit_kept_days: Positive = 365
    audit_records_max: Positive = 100_000
    backup_directories: tuple[str, ...] = ()
    temporary_bytes_max: Positive = 64 << 20
    temporary_per_user_bytes_max: Positive = 128 << 20
    temporary_total_bytes_max: Positive = 512 << 20
    uncommitted_bytes_max: Positive = 2 << 30
    uncommitted_per_user_bytes_max: Positive = 1 << 30
    storage_directories: tuple[str, ...] = ("/",)
    s3_connect_seconds_max: PositiveSeconds = 5.0
    s3_read_seconds_max: PositiveSeconds = 30.0
    s3_attempts_max: Positive = 4
    s3_part_bytes: Annotated[int, Meta(ge=5 << 20)] = 16 << 20
    s3_look_seconds: Annotated[float, Meta(ge=0)] = 10.0
    secrets_key_file: str = ""
    user_partitions_max: Positive = 1000
    user_idle_seconds: Annotated[float, Meta(gt=0)] = 300.0
