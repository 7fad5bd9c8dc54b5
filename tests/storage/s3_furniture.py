"""An engine with a storage in S3, behind a proxy that may misbehave."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flight_server.query import QueryEngine, QueryScope
from storage.catalog.schema import TableDef
from storage.catalog.storages import StorageDef, StorageType
from storage.clock import ManualClock
from storage.engine import Engine
from storage.settings import StorageSettings
from storage.state.edits import Edit
from storage.state.state import ColdFile
from tests.faults.s3_proxy import S3Proxy
from tests.support.s3_endpoint import REGION, S3Endpoint
from tests.support.storage_builders import flush, insert, make_table, opened

# Impatient: a test waits for no more than it has to.
S3_SETTINGS = StorageSettings(
    s3_attempts_max=2, s3_connect_seconds_max=2.0, s3_read_seconds_max=1.0, s3_part_bytes=5 << 20, s3_look_seconds=0.0
)
KEY = b"0123456789abcdef0123456789abcdef"


@dataclass
class Cloud:
    """An engine whose storage `cloud` lies in a bucket of its own; `proxy` is between the two."""

    engine: Engine
    endpoint: S3Endpoint
    proxy: S3Proxy
    bucket: str
    definition: StorageDef

    @property
    def keys(self) -> set[str]:
        """Of the cold files in the bucket."""
        return self.endpoint.keys(self.bucket)

    def key(self, file: ColdFile) -> str:
        return f"{self.definition.prefix}/{file.path}"

    def alter(self, change: Callable[[StorageDef], StorageDef]) -> None:
        self.engine.commit(Edit(catalog=lambda c: c.with_storage(change(c.storage("cloud")))))


def cloud_storage(engine: Engine, endpoint: S3Endpoint, bucket: str, url: str, name: str = "cloud") -> StorageDef:
    return StorageDef(
        name=name,
        type=StorageType.S3,
        uri=f"s3://{bucket}/lake",
        region=REGION,
        endpoint=url,
        credentials=engine.secrets.seal(endpoint.credentials),
        claim=f"c{bucket.replace('-', '')}{name}",
    )


@contextmanager
def cloud(
    directory: Path, endpoint: S3Endpoint, settings: StorageSettings = S3_SETTINGS, clock: ManualClock | None = None
) -> Iterator[Cloud]:
    """Opened on a directory, with the storage made."""
    key_file = directory.parent / "key"
    key_file.write_bytes(b64encode(KEY))
    chosen = replace(settings, secrets_key_file=str(key_file))
    bucket = endpoint.new_bucket()
    with S3Proxy(endpoint.address) as proxy, opened(directory, clock, chosen) as engine:
        definition = cloud_storage(engine, endpoint, bucket, proxy.url)
        engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(definition)))
        yield Cloud(engine, endpoint, proxy, bucket, definition)


def ask(queries: QueryEngine, here: Cloud, sql: str) -> list[tuple[object, ...]]:
    plan = queries.plan(sql, QueryScope(state=here.engine.state))
    return [tuple(row.values()) for row in queries.collect(plan, lambda: False).to_pylist()]


def cold_table(here: Cloud, rows: int = 3, name: str = "t") -> TableDef:
    """One with a file in the bucket."""
    table = make_table(here.engine, name, key=("k",), storage="cloud")
    insert(here.engine, table, *((n, f"v{n}") for n in range(rows)))
    flush(here.engine, table)
    return table
