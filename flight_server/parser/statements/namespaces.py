"""Statements that make, describe and drop namespaces, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreateNamespace:
    name: str
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class AlterNamespace:
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class DropNamespace:
    name: str
    if_exists: bool
    cascade: bool
