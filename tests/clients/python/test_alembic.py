"""Alembic, the migration tool of SQLAlchemy: its version table, migrations there and back, and what it finds then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from tests.support.server_process import ROOT_PASSWORD, ServerProcess

pytestmark = [
    pytest.mark.filterwarnings("ignore:A adbc_driver_manager.dbapi.Cursor was not:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# As docs/connect/sqlalchemy.md has it: Alembic knows no dialect of this name.
ENV = """
from alembic import context
from alembic.ddl.impl import DefaultImpl


class FlightSqlImpl(DefaultImpl):
    __dialect__ = "flightsql"
    transactional_ddl = True


engine = context.config.attributes["engine"]
engine.dialect.postfetch_lastrowid = False  # ADBC's cursors have none
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade():
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger, autoincrement=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("born", sa.Date),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.execute("INSERT INTO person VALUES (1, 'Ann', DATE '1990-01-01')")


def downgrade():
    op.drop_table("person")
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "two", "one"


def upgrade():
    op.add_column("person", sa.Column("city", sa.String(30)))
    op.alter_column("person", "born", new_column_name="birthday")
    op.rename_table("person", "people")


def downgrade():
    op.rename_table("people", "person")
    op.alter_column("person", "birthday", new_column_name="born")
    op.drop_column("person", "city")
"""


KEYS = """
SELECT table_name, constraint_name FROM information_schema.table_constraints
WHERE table_schema = current_schema AND constraint_type = 'PRIMARY KEY' ORDER BY 1
"""


@pytest.fixture
def engine(server: ServerProcess, namespace: str) -> Iterator[sa.Engine]:
    place = urlsplit(server.uri)
    query = {"tls": "false", "username": "root", "password": ROOT_PASSWORD}
    query["adbc.flight.sql.rpc.call_header.schema"] = namespace
    opened = sa.create_engine(sa.URL.create("adbc+flightsql", host=place.hostname, port=place.port, query=query))
    yield opened
    opened.dispose()


@pytest.fixture
def config(engine: sa.Engine, tmp_path: Path) -> Config:
    for name, text in (("env.py", ENV), ("versions/one.py", FIRST), ("versions/two.py", SECOND)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made = Config(attributes={"engine": engine})
    made.set_main_option("script_location", str(tmp_path))
    made.set_main_option("path_separator", "os")
    return made


def ask(engine: sa.Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def test_migrations_go_there_and_back(engine: sa.Engine, config: Config) -> None:
    command.upgrade(config, "one")
    assert ask(engine, "SELECT version_num FROM alembic_version") == [("one",)]
    assert ask(engine, "SELECT id, name FROM person") == [(1, "Ann")]
    assert ask(engine, KEYS) == [("alembic_version", "alembic_version_pkc"), ("person", "pk_person")]
    command.upgrade(config, "head")
    command.upgrade(config, "head")
    assert ask(engine, "SELECT version_num FROM alembic_version") == [("two",)]
    assert ask(engine, "SELECT id, name, CAST(birthday AS VARCHAR), city FROM people") == [
        (1, "Ann", "1990-01-01", None)
    ]
    command.downgrade(config, "base")
    assert ask(engine, "SELECT version_num FROM alembic_version") == []
    with pytest.raises(sa.exc.DBAPIError, match="42P01"):
        ask(engine, "SELECT * FROM person")
