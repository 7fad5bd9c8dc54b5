"""SQLAlchemy by the dialect of the package sqlalchemy-adbc."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from tests.support.server_process import ROOT_PASSWORD, ServerProcess

# The dialect leaves a cursor open where it looks for a table.
pytestmark = [
    pytest.mark.filterwarnings("ignore:A adbc_driver_manager.dbapi.Cursor was not:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def engine(server: ServerProcess, namespace: str) -> Iterator[sa.Engine]:
    place = urlsplit(server.uri)
    query = {"tls": "false", "username": "root", "password": ROOT_PASSWORD}
    url = sa.URL.create("adbc+flightsql", host=place.hostname, port=place.port, query=query)
    opened = sa.create_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def items(engine: sa.Engine, namespace: str) -> sa.Table:
    """A table made by SQLAlchemy's own DDL."""
    table = sa.Table(
        "items",
        sa.MetaData(schema=namespace),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("price", sa.Numeric(9, 2)),
    )
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(table),
            [
                {"id": 1, "name": "ice", "price": Decimal("1.50")},
                {"id": 2, "name": "snow", "price": Decimal("2.50")},
            ],
        )
    return table


def test_text_with_named_parameters(engine):
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT :a + 1 AS n"), {"a": 41}).scalar() == 42


def test_expressions_are_selected(engine, items):
    query = sa.select(items.c.name, sa.func.count()).where(items.c.price > 2).group_by(items.c.name)
    with engine.connect() as connection:
        assert connection.execute(query).all() == [("snow", 1)]


def test_changes_are_committed_or_rolled_back(engine, items):
    with engine.connect() as connection:
        assert connection.execute(sa.update(items).values(name="frost").where(items.c.id == 1)).rowcount == 1
        connection.rollback()
        assert connection.execute(sa.select(items.c.name).where(items.c.id == 1)).scalar() == "ice"
    with engine.begin() as connection:
        connection.execute(sa.delete(items).where(items.c.id == 1))
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(items)).scalar() == 1


def test_namespaces_and_columns_are_reflected(engine, items, namespace):
    inspector = sa.inspect(engine)
    assert {"public", "system", namespace} <= set(inspector.get_schema_names())
    assert inspector.has_table("items", schema=namespace)
    reflected = sa.Table("items", sa.MetaData(), schema=namespace, autoload_with=engine)
    assert [(c.name, type(c.type)) for c in reflected.columns] == [
        ("id", sa.BigInteger),
        ("name", sa.String),
        ("price", sa.Numeric),
    ]


def test_an_error_keeps_its_sqlstate(engine):
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match=r"\[42P01\]"):
        connection.execute(sa.text("SELECT * FROM nowhere"))
