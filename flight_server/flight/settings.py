"""ServerSettings and WireSettings say where the server listens, and what one caller may make it keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from flight_server.access.settings import Positive, PositiveSeconds

Port = Annotated[int, Meta(ge=0, le=65535)]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server listens and when it gives up.

    host, port:               of Flight SQL; port 0 takes any free one
    http_host, http_port:     of /healthz, /readyz, /metrics; port 0 takes any free one
    data:                     the data directory, made when missing
    insecure:                 allows a host other than loopback without TLS
    tls_certificate, tls_key: PEM files; both or none
    tls_client_ca:            PEM file; when set, clients must show a certificate that it signed
    rpc_concurrent_max:       calls running at the same time; more are refused at once
    rpc_per_user_max:         of them, of one user
    rpc_reserved:             of them, only for users with the roles system and dba; at most a quarter of all
    upload_idle_seconds:      that an upload may stand still before it is ended
    shutdown_seconds_max:     from the stop signal to the end of the process
    """

    host: str = "127.0.0.1"
    port: Port = 4747
    http_host: str = "127.0.0.1"
    http_port: Port = 4748
    data: str = "data"
    insecure: bool = False
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    rpc_concurrent_max: Positive = 200
    rpc_per_user_max: Positive = 160
    rpc_reserved: Annotated[int, Meta(ge=0)] = 8
    upload_idle_seconds: PositiveSeconds = 60.0
    shutdown_seconds_max: PositiveSeconds = 20.0


@dataclass(frozen=True, slots=True)
class WireSettings:
    """Limits on what one caller may make the server keep.

    pending_results_max:     planned results that wait for their DoGet, of all callers together
    pending_seconds_max:     after which a result that nobody fetched is dropped
    bound_rows_max:          rows of parameters in one bind or executemany
    bound_bytes_max:         bytes of them
    ingest_bytes_max:        bytes of one bulk ingest; 0 = no limit
    upload_batch_rows_max:   rows of one message of either, unless they weigh at least a bit each
    upload_batch_bytes_max:  bytes of one message
    uploads_bytes_max:       bytes that all uploads have in memory
    uploads_per_user_bytes_max: of them, of one user

    Bytes of rows are those that they have when each value is written out.
    """

    pending_results_max: Annotated[int, Meta(ge=1)] = 1000
    pending_seconds_max: Annotated[float, Meta(gt=0)] = 300.0
    bound_rows_max: Annotated[int, Meta(ge=1)] = 1_000_000
    bound_bytes_max: Annotated[int, Meta(ge=1)] = 256 << 20
    ingest_bytes_max: Annotated[int, Meta(ge=0)] = 0
    upload_batch_rows_max: Annotated[int, Meta(ge=1)] = 1 << 20
    upload_batch_bytes_max: Annotated[int, Meta(ge=1)] = 1 << 30
    uploads_bytes_max: Annotated[int, Meta(ge=1)] = 2 << 30
    uploads_per_user_bytes_max: Annotated[int, Meta(ge=1)] = 1 << 30
