"""The chapter on backups does what it says: its settings, statements and commands, run in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flight_server.cli import main
from tests.docs.markdown import blocks, sql_examples
from tests.support.server_process import REPOSITORY, ServerProcess
from tests.support.sql_client import Client

OPERATING = REPOSITORY / "docs" / "operating.md"
STATEMENTS = [example for example in sql_examples(OPERATING) if "/backups" in example.sql or "BK-1" in example.sql]


def test_the_recipe_works_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def here(text: str) -> str:
        return text.replace("/backups", f"{tmp_path}/backups").replace("/srv", str(tmp_path))

    (tmp_path / "settings.toml").write_text(here(next(b for b in blocks(OPERATING, "toml") if "backup_dir" in b)))
    with (
        ServerProcess(tmp_path / "data", "--config", str(tmp_path / "settings.toml")) as server,
        server.connect() as connection,
    ):
        client = Client(connection)
        client.do("CREATE TABLE t (k BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)")
        job_id = ""
        assert len(STATEMENTS) == 4
        for example in STATEMENTS:
            sql = here(example.sql).replace("BK-1", job_id)
            if example.sqlstate is not None:
                assert client.sqlstate(sql) == example.sqlstate
            elif sql.startswith("BACKUP"):
                [(job_id, *_)] = client.rows(sql)
            else:
                assert len(client.rows(sql)) == 1
    (commands,) = (block for block in blocks(OPERATING, "sh") if "frostline restore" in block)
    restore, serve = (here(line).split() for line in commands.splitlines())
    assert main(restore[1:]) == 0
    assert " ".join(serve) in capsys.readouterr().out
    data = re.match(r"frostline serve --data (\S+)$", " ".join(serve))
    assert data is not None
    with ServerProcess(Path(data[1])) as server, server.connect() as connection:
        assert Client(connection).rows("SELECT k FROM t") == [(1,)]
