"""JobRecords stores the job ledger: records by job id, of whatever form the ledger gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storage.rowstore.keys import JOBS
from storage.rowstore.row_store import Put, Remove, RowStore


class JobRecords:
    """Safe from any thread."""

    def __init__(self, store: RowStore) -> None:
        self._store = store

    def put_job(self, job_id: str, record: bytes) -> None:
        """Write a record durably. Raises StorageUnavailable."""
        self._store.write([Put(JOBS, job_id.encode(), record)], durable=True)

    def delete_jobs(self, job_ids: Iterable[str]) -> None:
        """All of them or none. Raises StorageUnavailable."""
        self._store.write([Remove(JOBS, job_id.encode()) for job_id in job_ids], durable=True)

    def jobs(self) -> Iterator[tuple[str, bytes]]:
        """(job id, record) of the whole ledger, by id."""
        for key, value in self._store.scan(JOBS):
            yield key.decode(), value
