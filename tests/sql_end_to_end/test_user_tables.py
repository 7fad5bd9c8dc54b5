"""User tables as drivers list them."""

from __future__ import annotations

from contextlib import ExitStack

from tests.support.crowd import Crowd
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


def test_everybody_finds_the_table_where_they_look(server: ServerProcess) -> None:
    with ExitStack() as stack:

        def opened(user: str, namespace: str) -> Client:
            password = None if user == "root" else user
            return Client(stack.enter_context(server.connect(user=user, password=password)), namespace)

        crowd = Crowd(opened)
        crowd.filled("found")
        for client in crowd.everybody.values():
            assert client.rows("SELECT table_name FROM information_schema.tables WHERE table_name = 'found'") == [
                ("found",)
            ]
            assert ("found", "user") in [row[1:3] for row in client.rows(f"SHOW TABLES IN {crowd.namespace}")]
            assert "CREATE USER TABLE" in str(client.rows("SHOW CREATE TABLE found"))
            assert [row[0] for row in client.rows("DESCRIBE found")] == ["id", "t"]
            objects = client.connection.adbc_get_objects(depth="tables", table_name_filter="found").read_all()
            assert "found" in str(objects.to_pylist())
