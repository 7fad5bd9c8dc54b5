"""Statements about storages, as values. Names, types and places are checked; credentials are kept out of `repr`."""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.parser.statements.users import Secret
from storage.catalog.folder_templates import SHARED_TEMPLATE, USER_TEMPLATE
from storage.catalog.storages import StorageType


@dataclass(frozen=True, slots=True)
class CreateStorage:
    """`credentials` None: what the environment says."""

    name: str
    type: StorageType
    uri: str
    region: str = ""
    endpoint: str = ""
    credentials: Secret | None = None
    shared_template: str = SHARED_TEMPLATE
    user_template: str = USER_TEMPLATE
    sharding: str = "none"
    description: str = ""
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class AlterStorage:
    """None: stays as it is. `credentials` without text: none of its own any more."""

    name: str
    region: str | None = None
    endpoint: str | None = None
    credentials: Secret | None = None
    shared_template: str | None = None
    user_template: str | None = None
    sharding: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class DropStorage:
    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CheckStorage:
    """`CHECK STORAGE id`: write, read and remove a probe."""

    name: str


StorageStatement = CreateStorage | AlterStorage | DropStorage
