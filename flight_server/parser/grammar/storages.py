"""Reads CREATE, ALTER, DROP and CHECK STORAGE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flight_server.parser.grammar.users import read_name, read_options, read_secret
from flight_server.parser.statements.storages import AlterStorage, CheckStorage, CreateStorage, DropStorage
from flight_server.parser.statements.users import Secret
from flight_server.parser.text.cursor import Cursor, not_supported
from storage.catalog.folder_templates import checked_shared_template, checked_user_template, parse_sharding
from storage.catalog.names import checked_storage_name
from storage.catalog.storages import StorageType, checked_endpoint, checked_region, checked_type, checked_uri
from storage.errors import InvalidRequest

DESCRIPTION_CHARACTERS_MAX: Final = 1000
_ONLY_S3: Final = ("REGION", "ENDPOINT", "CREDENTIALS")
_EXAMPLE: Final = "CREATE STORAGE archive TYPE 'filesystem' URI 'file:///var/frostline/archive'"


def parse_create_storage(cursor: Cursor) -> CreateStorage:
    """`CREATE STORAGE [IF NOT EXISTS] id TYPE '..' URI '..' [REGION '..'] ..`, from behind STORAGE."""
    if_not_exists = cursor.if_not_exists()
    name = storage_name(cursor)
    cursor.accept("WITH")
    given = read_options(cursor, {**_FIXED, **_READERS}, equals=True)
    for word in _FIXED:
        if word not in given:
            raise InvalidRequest(f"a storage needs {word}, as in {_EXAMPLE}", sqlstate="42601")
    kind = checked_type(given.pop("TYPE"))
    uri = checked_uri(kind, given.pop("URI"))
    for word in _ONLY_S3:
        if kind is not StorageType.S3 and word in given:
            raise InvalidRequest(f"{word} is for storages of type 's3'; a filesystem storage has none")
    return CreateStorage(name, kind, uri, **_fields(given), if_not_exists=if_not_exists)


def parse_alter_storage(cursor: Cursor) -> AlterStorage:
    """`ALTER STORAGE id SET option ..`, from behind STORAGE. Type and URI stay."""
    name = storage_name(cursor)
    cursor.expect("SET")
    if cursor.sees_any(_FIXED):
        raise not_supported(
            f"SET {cursor.token.key} of a storage", "make another storage, and move tables to it with ALTER TABLE"
        )
    given = read_options(cursor, _READERS, equals=True)
    if not given:
        raise cursor.error(f"expected {', '.join(_READERS)}")
    return AlterStorage(name, **_fields(given))


def parse_drop_storage(cursor: Cursor) -> DropStorage:
    """`DROP STORAGE [IF EXISTS] id`, from behind STORAGE."""
    if_exists = cursor.if_exists()
    name = storage_name(cursor)
    if cursor.sees(","):
        raise not_supported("DROP of several storages", "name one at a time")
    return DropStorage(name, if_exists)


def parse_check(cursor: Cursor) -> CheckStorage:
    """`CHECK STORAGE id`"""
    cursor.expect("CHECK")
    if not cursor.accept("STORAGE"):
        raise not_supported(f"CHECK {cursor.token.key}", "only storages can be checked; SCRUB reads tables' files")
    return CheckStorage(storage_name(cursor))


def storage_name(cursor: Cursor) -> str:
    """Raises InvalidRequest."""
    return checked_storage_name(read_name(cursor, "storage"))


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {word.lower(): value for word, value in given.items()}


def _credentials(cursor: Cursor) -> Secret:
    return read_secret(cursor, "JSON", "CREDENTIALS")


def _description(cursor: Cursor) -> str:
    text = cursor.string("the description")
    if len(text) > DESCRIPTION_CHARACTERS_MAX:
        raise InvalidRequest(f"a description has at most {DESCRIPTION_CHARACTERS_MAX} characters")
    return text


_FIXED: Final[Mapping[str, Callable[[Cursor], str]]] = {
    "TYPE": lambda cursor: cursor.string("the type"),
    "URI": lambda cursor: cursor.string("the uri"),
}
_READERS: Final[Mapping[str, Callable[[Cursor], Any]]] = {
    "REGION": lambda cursor: checked_region(cursor.string("the region")),
    "ENDPOINT": lambda cursor: checked_endpoint(cursor.string("the endpoint")),
    "CREDENTIALS": _credentials,
    "SHARED_TEMPLATE": lambda cursor: checked_shared_template(cursor.string("the template")),
    "USER_TEMPLATE": lambda cursor: checked_user_template(cursor.string("the template")),
    "SHARDING": lambda cursor: str(parse_sharding(cursor.string("the sharding"))),
    "DESCRIPTION": _description,
}
