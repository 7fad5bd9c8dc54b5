"""CREATE, ALTER, DROP and CHECK STORAGE as values, and texts without the credentials in them."""

from __future__ import annotations

import pytest

from flight_server.parser.statements.storages import AlterStorage, CheckStorage, CreateStorage, DropStorage
from flight_server.parser.statements.users import Secret
from flight_server.parser.text.redaction import without_secrets
from storage.catalog.storages import StorageType
from storage.errors import InvalidRequest, NotSupported
from tests.support.parsed import parse

HIDDEN = "sesame"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "CREATE STORAGE a TYPE 'FILESYSTEM' URI 'file:///x/'",
            CreateStorage("a", StorageType.FILESYSTEM, "file:///x"),
        ),
        (
            "create storage if not exists 'B' with type = 's3', uri = 's3://bucket/p', region 'eu-1', sharding 'HASH'",
            CreateStorage("B", StorageType.S3, "s3://bucket/p", region="eu-1", sharding="hash(16)", if_not_exists=True),
        ),
        (
            "CREATE STORAGE a TYPE 's3' URI 's3://bucket' ENDPOINT 'http://h:1/' CREDENTIALS $1 DESCRIPTION 'd'",
            CreateStorage(
                "a",
                StorageType.S3,
                "s3://bucket",
                endpoint="http://h:1",
                credentials=Secret(parameter="1"),
                description="d",
            ),
        ),
        ("ALTER STORAGE a SET CREDENTIALS NULL", AlterStorage("a", credentials=Secret())),
        (
            "ALTER STORAGE a SET SHARED_TEMPLATE '{tableName}', DESCRIPTION ''",
            AlterStorage("a", shared_template="{tableName}", description=""),
        ),
        ("DROP STORAGE IF EXISTS a", DropStorage("a", if_exists=True)),
        ("CHECK STORAGE a;", CheckStorage("a")),
    ],
)
def test_a_statement_is_read_as_it_is_meant(sql: str, expected: object):
    assert parse(sql) == expected


@pytest.mark.parametrize(
    ("sql", "kind", "said"),
    [
        ("CREATE STORAGE a URI 'file:///x'", InvalidRequest, "a storage needs TYPE"),
        ("CREATE STORAGE a TYPE 'ftp' URI 'ftp://x'", InvalidRequest, "no storage type 'ftp'"),
        ("CREATE STORAGE a TYPE 's3' URI 's3://bucket' URI 's3://bucket'", InvalidRequest, "URI is given twice"),
        ("CREATE STORAGE a TYPE 'filesystem' URI 'file:///x' REGION 'r'", InvalidRequest, "REGION is for storages"),
        ("CREATE STORAGE a TYPE 's3' URI 's3://bucket' REGION 'a b'", InvalidRequest, "bad REGION"),
        ("CREATE STORAGE a TYPE 's3' URI 's3://bucket' COLOUR 'x'", InvalidRequest, "expected TYPE, URI, REGION"),
        ("CREATE STORAGE \"a/b\" TYPE 's3' URI 's3://bucket'", InvalidRequest, "storage name 'a/b' is not allowed"),
        ("CREATE OR REPLACE STORAGE a TYPE 's3' URI 's3://bucket'", InvalidRequest, "expected TABLE"),
        ("ALTER STORAGE a SET", InvalidRequest, "expected REGION"),
        ("ALTER STORAGE a SET URI 's3://other'", NotSupported, "make another storage"),
        ("DROP STORAGE a, b", NotSupported, "name one at a time"),
        ("CHECK TABLE t", NotSupported, "only storages can be checked"),
    ],
)
def test_a_wrong_one_is_refused_with_the_reason(sql: str, kind: type[Exception], said: str):
    with pytest.raises(kind, match=said):
        parse(sql)


WITH_SECRETS = [
    f"CREATE STORAGE a TYPE 's3' URI 's3://bucket' CREDENTIALS '{HIDDEN}'",
    f"create storage a type 's3' uri 's3://bucket' credentials = '{HIDDEN}' sharding 'none'",
    f"ALTER STORAGE a SET CREDENTIALS '{HIDDEN}', DESCRIPTION 'x'",
    f"ALTER STORAGE a SET CREDENTIALS {HIDDEN}",
    f"CREATE STORAGE a CREDENTIALS '{HIDDEN}' 'and {HIDDEN}'",
    f"SELECT 1; CREATE STORAGE a TYPE 's3' CREDENTIALS $${HIDDEN}$$",
    f"EXECUTE AS USER 'u' (CREATE STORAGE a TYPE 's3' CREDENTIALS '{HIDDEN}')",
    f"CREATE STORAGE a CREDENTIALS '{HIDDEN}",
]


@pytest.mark.parametrize("sql", WITH_SECRETS)
def test_no_text_that_is_kept_or_shown_has_credentials(sql: str):
    assert HIDDEN not in without_secrets(sql)


@pytest.mark.parametrize("sql", WITH_SECRETS)
def test_neither_has_an_error_nor_a_repr(sql: str):
    try:
        shown = repr(parse(sql))
    except (InvalidRequest, NotSupported) as error:
        shown = error.message
    if not sql.startswith("EXECUTE"):  # the inner statement is a text still, and hidden with the outer one
        assert HIDDEN not in shown
