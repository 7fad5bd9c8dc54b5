"""TLS and certificates: expired, of another host, of another authority, missing, unreadable, renewed."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight
import pytest
import trustme
from adbc_driver_flightsql import DatabaseOptions

from flight_server.access.settings import AccessSettings
from flight_server.flight.certificates import read_tls
from flight_server.flight.listen_address import check_exposure
from flight_server.flight.settings import ServerSettings
from flight_server.wire import flight_sql_pb2 as pb
from storage.clock import SystemClock
from storage.errors import InvalidRequest
from tests.support.flight_client import packed
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client

NOW = dt.datetime.now(dt.UTC)
EXPIRED = r"tls_certificate '.*' expired on \d{4}-\d\d-\d\d: renew it"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Files:
    """A server's certificate files and the settings that name them."""

    def __init__(self, directory: Path, own: trustme.LeafCert, clients: trustme.CA | None = None) -> None:
        self.directory = directory
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        self.write(own)
        self.settings: dict[str, Any] = {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}
        if clients is not None:
            clients.cert_pem.write_to_path(str(directory / "clients.pem"))
            self.settings["tls_client_ca"] = str(directory / "clients.pem")

    def write(self, own: trustme.LeafCert) -> None:
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in own.cert_chain_pems))
        own.private_key_pem.write_to_path(str(self.key))

    def conf(self, access: str = "") -> str:
        file = self.directory / "conf.toml"
        lines = [f"{name} = {value!r}" for name, value in self.settings.items()]
        file.write_text("\n".join(["[server]", *lines, "[access]", access]))
        return str(file)

    def server(self, access: str = "") -> ServerProcess:
        return ServerProcess(self.directory / "data", "--config", self.conf(access))


def local(authority: trustme.CA, **more) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1", "localhost", **more)


@contextmanager
def connected(
    server: ServerProcess, trusted: trustme.CA, own: trustme.LeafCert | None = None, *, log_in: bool = True
) -> Iterator[Client]:
    options = {DatabaseOptions.TLS_ROOT_CERTS.value: trusted.cert_pem.bytes().decode()}
    if log_in:
        options |= {"username": "root", "password": ROOT_PASSWORD}
    if own is not None:
        options[DatabaseOptions.MTLS_CERT_CHAIN.value] = own.cert_chain_pems[0].bytes().decode()
        options[DatabaseOptions.MTLS_PRIVATE_KEY.value] = own.private_key_pem.bytes().decode()
    with adbc.connect(server.uri, db_kwargs=options, autocommit=True) as connection:
        yield Client(connection)


def by_hand(server: ServerProcess, trusted: trustme.CA, own: trustme.LeafCert | None = None) -> flight.FlightClient:
    """Gives up at once where a driver tries again for ten seconds."""
    pair = (
        {}
        if own is None
        else {"cert_chain": own.cert_chain_pems[0].bytes(), "private_key": own.private_key_pem.bytes()}
    )
    return flight.connect(server.uri, tls_root_certs=trusted.cert_pem.bytes(), **pair)


def is_let_in(server: ServerProcess, trusted: trustme.CA, own: trustme.LeafCert | None = None) -> bool:
    """Whether TLS lets the client through to a log-in. Fails on any other refusal."""
    with by_hand(server, trusted, own) as client:
        try:
            client.list_actions(flight.FlightCallOptions(timeout=10))
        except flight.FlightUnauthenticatedError:
            return True
        except flight.FlightUnavailableError:
            return False
    raise AssertionError("without a log-in")


def assert_is_nobody(server: ServerProcess, trusted: trustme.CA, own: trustme.LeafCert) -> None:
    with by_hand(server, trusted, own) as client, pytest.raises(flight.FlightUnauthenticatedError, match="28000"):
        client.list_actions(flight.FlightCallOptions(timeout=10))


# --- the server's own ------------------------------------------------------------------------------------------


def test_a_client_checks_the_servers_certificate_and_host(tmp_path: Path, authority: trustme.CA):
    with Files(tmp_path, local(authority)).server() as server:
        assert server.uri.startswith("grpc+tls://")
        with connected(server, authority) as client:
            assert client.value("SELECT 1 AS one") == 1
        assert not is_let_in(server, trustme.CA())
        with (
            flight.connect(server.uri.replace("grpc+tls", "grpc")) as clear,
            pytest.raises(flight.FlightUnavailableError),
        ):
            clear.list_actions(flight.FlightCallOptions(timeout=10))


def test_a_certificate_of_another_host_is_refused_by_clients(tmp_path: Path, authority: trustme.CA):
    with Files(tmp_path, authority.issue_cert("db.example.com")).server() as server:
        assert not is_let_in(server, authority)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("expired", EXPIRED),
        ("not yet valid", "is not valid before"),
        ("key of another", "tls_key '.*' is the key of another certificate"),
        ("key missing", "tls_key '.*' can't be read: No such file"),
        ("key no PEM", "tls_key '.*' is not a PEM file"),
        ("key damaged", "tls_key '.*' holds no private key"),
        ("certificate damaged", "tls_certificate '.*' holds no certificate"),
        ("certificate is a directory", "tls_certificate '.*' can't be read: Is a directory"),
        ("authority expired", "tls_client_ca '.*' expired"),
        ("no key", "go together"),
        ("authority alone", "needs server.tls_certificate"),
        ("names without authority", "access.certificate_users needs server.tls_client_ca"),
    ],
)
def test_a_server_that_could_not_be_trusted_does_not_start(tmp_path: Path, authority: trustme.CA, spoil, told):
    files = Files(tmp_path, local(authority), authority)
    past = NOW - dt.timedelta(days=2)
    pem = b"-----BEGIN %s-----\nAAAA\n-----END %s-----\n"
    match spoil:
        case "expired":
            files.write(local(authority, not_before=past - dt.timedelta(days=9), not_after=past))
        case "not yet valid":
            files.write(local(authority, not_before=NOW + dt.timedelta(days=2), not_after=NOW + dt.timedelta(days=9)))
        case "key of another":
            local(authority).private_key_pem.write_to_path(str(files.key))
        case "key missing":
            files.key.unlink()
        case "key no PEM":
            files.key.write_bytes(b"\x30\x82")
        case "key damaged":
            files.key.write_bytes(pem % (b"PRIVATE KEY", b"PRIVATE KEY"))
        case "certificate damaged":
            files.certificate.write_bytes(pem % (b"CERTIFICATE", b"CERTIFICATE"))
        case "certificate is a directory":
            files.certificate.unlink()
            files.certificate.mkdir()
        case "authority expired":
            old = authority.issue_cert("old", not_before=past - dt.timedelta(days=9), not_after=past)
            (tmp_path / "clients.pem").write_bytes(old.cert_chain_pems[0].bytes())
        case "no key":
            del files.settings["tls_key"]
        case "authority alone":
            del files.settings["tls_certificate"], files.settings["tls_key"]
        case "names without authority":
            del files.settings["tls_client_ca"]
    access = AccessSettings(certificate_users=spoil == "names without authority")
    with pytest.raises(InvalidRequest, match=told) as refused:
        _checked(ServerSettings(**files.settings), access)
    assert "BEGIN" not in refused.value.message


def _checked(server: ServerSettings, access: AccessSettings) -> None:
    """As a start does, before there is a port."""
    check_exposure(server, access)
    read_tls(server, SystemClock())


def test_a_server_that_does_not_start_says_why_in_one_line(tmp_path: Path, authority: trustme.CA):
    """Exit code 2, and no port."""
    past = NOW - dt.timedelta(days=2)
    server = Files(tmp_path, local(authority, not_before=past - dt.timedelta(days=9), not_after=past)).server()
    server.start()
    try:
        assert server.wait() == 2
        assert re.search(EXPIRED, "\n".join(server.stderr))
        assert len([line for line in server.stderr if line.startswith("frostline: ")]) == 1
        assert server.stdout == []
    finally:
        server.end()


def test_a_renewed_certificate_is_shown_after_a_restart_and_not_before(tmp_path: Path, authority: trustme.CA):
    files, next_authority = Files(tmp_path, local(authority)), trustme.CA()
    with files.server() as server:
        files.write(local(next_authority))
        assert is_let_in(server, authority)
        assert not is_let_in(server, next_authority)
        server.stop()
    with files.server() as server:
        assert is_let_in(server, next_authority)
        assert not is_let_in(server, authority)


def test_a_certificate_that_ends_soon_is_warned_of(tmp_path: Path, authority: trustme.CA):
    with Files(tmp_path, local(authority, not_after=NOW + dt.timedelta(days=5))).server() as server:
        [warning] = [event for event in server.events if event["event"] == "certificate_expires_soon"]
        assert warning["setting"] == "server.tls_certificate"
        assert is_let_in(server, authority)


# --- the clients' ----------------------------------------------------------------------------------------------


def test_without_a_certificate_of_the_right_authority_no_client_gets_as_far_as_a_password(tmp_path, authority):
    with Files(tmp_path, local(authority), authority).server() as server:
        past = NOW - dt.timedelta(days=2)
        expired = authority.issue_cert("ann", not_before=past - dt.timedelta(days=9), not_after=past)
        with connected(server, authority, authority.issue_cert("anything")) as client:
            assert client.value("SELECT 1 AS one") == 1
        assert not is_let_in(server, authority)
        assert not is_let_in(server, authority, trustme.CA().issue_cert("ann"))
        assert not is_let_in(server, authority, expired)
        assert [event for event in server.events if event["event"] == "call_refused"] == []
        # A certificate alone is no log-in unless the settings say so.
        assert_is_nobody(server, authority, authority.issue_cert("root"))


def test_a_certificate_logs_in_the_user_that_it_names(tmp_path: Path, authority: trustme.CA):
    files = Files(tmp_path, local(authority), authority)
    with files.server() as server:
        with connected(server, authority, authority.issue_cert("x")) as root:
            root.do("CREATE USER 'ann@example.com'; CREATE USER 'gone'; DROP USER 'gone'")
            root.do("CREATE TABLE t (a INT); GRANT SELECT ON t TO 'ann@example.com'; CREATE TABLE hidden (a INT)")
        server.stop()
    with files.server("certificate_users = true") as server:
        ann = authority.issue_cert("ann@example.com", common_name="root")  # the alternative name goes first
        with connected(server, authority, ann, log_in=False) as client:
            assert client.rows("SELECT * FROM t") == []
            assert client.rows('SELECT "user" FROM system.users') == [("ann@example.com",)]
            assert client.sqlstate("SELECT * FROM hidden") == "42P01"
        for name in ("nobody", "gone"):
            assert_is_nobody(server, authority, authority.issue_cert(name))
        assert not is_let_in(server, authority)
        assert not is_let_in(server, authority, trustme.CA().issue_cert("ann@example.com"))
        _basic_still_works_with_each_call(server, authority, ann)


def _basic_still_works_with_each_call(server: ServerProcess, authority: trustme.CA, own: trustme.LeafCert) -> None:
    command = flight.FlightDescriptor.for_command(
        packed(pb.CommandStatementQuery(query='SELECT DISTINCT "user" FROM system.sessions'))
    )
    with by_hand(server, authority, own) as client:
        for password, told in ((ROOT_PASSWORD, None), ("wrong", "28000")):
            header = b"Basic " + base64.b64encode(f"root:{password}".encode())
            options = flight.FlightCallOptions(headers=[(b"authorization", header)])
            if told is not None:
                with pytest.raises(flight.FlightUnauthenticatedError, match=told):
                    client.get_flight_info(command, options)
                continue
            info = client.get_flight_info(command, options)
            rows = client.do_get(info.endpoints[0].ticket, options).read_all()
            assert "root" in rows["user"].to_pylist()
