"""An S3 service over real HTTP: moto's server in this process, or the one that FROSTLINE_TEST_S3 names.

For a service of one's own: `FROSTLINE_TEST_S3=http://127.0.0.1:7070`, keys in FROSTLINE_TEST_S3_KEYS as `id:secret`.
"""

from __future__ import annotations

import itertools
import logging
import os
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from botocore.config import Config

from storage.catalog.credentials import S3Credentials

REGION = "us-east-1"
_numbers = itertools.count(1)


class S3Endpoint:
    """Use in a `with`. `client`: goes straight to the service, past every proxy."""

    def __init__(self) -> None:
        self._server: Any = None
        self.url = os.environ.get("FROSTLINE_TEST_S3", "")
        key, _, secret = os.environ.get("FROSTLINE_TEST_S3_KEYS", "tests:not-a-secret").partition(":")
        self.credentials = S3Credentials(access_key_id=key, secret_access_key=secret)

    def __enter__(self) -> S3Endpoint:
        if not self.url:
            from moto.server import ThreadedMotoServer

            logging.getLogger("werkzeug").setLevel(logging.ERROR)
            self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            self._server.start()
            host, port = self._server.get_host_and_port()
            self.url = f"http://{host}:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.credentials.access_key_id,
            aws_secret_access_key=self.credentials.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self._server is not None:
            self._server.stop()

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def new_bucket(self) -> str:
        bucket = f"frostline-{next(_numbers)}-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def keys(self, bucket: str) -> set[str]:
        """Of all objects, but for our markers."""
        found = self.client.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {each["Key"] for each in found if not each["Key"].endswith(".json")}

    def content(self, bucket: str, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body
