"""Tokens of an identity provider on a running server, as a driver sends them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import pytest
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_manager import Error

from tests.access.provider import AUDIENCE, ISSUER, jwk, rsa_key, token
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("idp")
    keys = directory / "jwks.json"
    keys.write_text(json.dumps({"keys": [jwk("one", rsa_key("one"))]}))
    conf = directory / "conf.toml"
    names = f'idp_issuer = "{ISSUER}"', f'idp_audience = "{AUDIENCE}"'
    lines = [*names, f'idp_jwks = "{keys}"', 'idp_algorithms = ["RS256"]']
    conf.write_text("\n".join(["[access]", *lines]))
    with ServerProcess(directory / "data", "--config", str(conf)) as process:
        yield process


def connected(server: ServerProcess, bearer: str) -> Any:
    header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {bearer}"}
    return adbc.connect(server.uri, db_kwargs=header, autocommit=True)


def test_a_token_is_a_session_with_the_rights_that_its_user_has_here(server: ServerProcess):
    now = int(time.time())
    with server.connect() as connection, connected(server, token(now, groups=["dba"])) as theirs:
        root, ann = Client(connection), Client(theirs)
        assert ann.sqlstate("SELECT 1 AS one") == "28000"  # not a user yet
        root.do("CREATE USER 'ann'; CREATE TABLE t (a INT); CREATE TABLE hidden (a INT); GRANT SELECT ON t TO 'ann'")
        assert ann.rows("SELECT * FROM t") == []
        assert ann.sqlstate("SELECT * FROM hidden") == "42P01"
        assert ann.sqlstate("CREATE TABLE x (a INT)") == "42501"
        ann.do("SET TIME ZONE 'Asia/Tokyo'")
        assert ann.rows("SHOW time_zone") == [("Asia/Tokyo",)]
        assert ann.rows('SELECT DISTINCT "user" FROM system.sessions') == [("ann",)]
        root.do("ALTER USER 'ann' ROLE system")
        assert ann.sqlstate("SELECT 1 AS one") == "28000"
        root.do("ALTER USER 'ann' ROLE user; DROP USER 'ann'")
        assert ann.sqlstate("SELECT 1 AS one") == "28000"
        failed = root.rows("SELECT detail FROM system.audit_log WHERE action = 'LOGIN FAILED'")
        assert set(failed) == {("token of the identity provider: no such user",)}


def test_a_bad_token_gets_no_further_and_is_in_no_log(server: ServerProcess):
    bad = token(int(time.time()), rsa_key("other"))
    with pytest.raises((Error, AssertionError), match="28000"), connected(server, bad) as connection:
        Client(connection).rows("SELECT 1 AS one")
    assert not any(part in line for line in server.stderr for part in bad.split("."))


def test_half_a_provider_ends_the_start_with_one_line(tmp_path: Path):
    conf = tmp_path / "conf.toml"
    conf.write_text(f'[access]\nidp_issuer = "{ISSUER}"\n')
    server = ServerProcess(tmp_path / "data", "--config", str(conf))
    server.start()
    try:
        assert server.wait() == 2
        assert [line for line in server.stderr if line.startswith("frostline: ")] == [
            "frostline: an identity provider needs access.idp_audience and access.idp_jwks too"
        ]
    finally:
        server.end()
