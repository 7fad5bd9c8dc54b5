"""A server with something of everything, and a client without a driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.messages import RawClient
from tests.support.server_process import ServerProcess

EVERY_TYPE = (
    "a BOOLEAN, b TINYINT, c SMALLINT, d INTEGER, e BIGINT, f TINYINT UNSIGNED, g BIGINT UNSIGNED, h REAL, i DOUBLE, "
    "j DECIMAL(12, 3), k VARCHAR(20), l UUID, m JSON, n BYTEA, o BINARY(4), p DATE, q TIME, r TIMESTAMP(3), "
    "s TIMESTAMP WITH TIME ZONE, t INTERVAL, u BIGINT[], v STRUCT<x INTEGER>, w MAP<VARCHAR, INTEGER>"
)


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> ServerProcess:
    """The server with a namespace that has something of everything."""
    with RawClient(server.uri) as client:
        client.run("CREATE NAMESPACE shop")
        client.run("CREATE TABLE shop.items (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, price DECIMAL(5, 2))")
        client.run("COMMENT ON COLUMN shop.items.price IS 'in euro'")
        client.run("INSERT INTO shop.items VALUES (1, 'ice', 1.5), (2, 'snow', 2.5)")
        client.run("CREATE VIEW shop.cheap AS SELECT id, name FROM shop.items WHERE price < 2")
        client.run(f"CREATE TABLE shop.everything ({EVERY_TYPE})")
    return server


@pytest.fixture
def client(shop: ServerProcess) -> Iterator[RawClient]:
    with RawClient(shop.uri) as opened:
        yield opened
