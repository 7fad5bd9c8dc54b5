"""Who may do what: the whole matrix, written down a second time, and that nothing is allowed by accident."""

from __future__ import annotations

import itertools

import pytest

from flight_server.access import grants
from flight_server.access.grants import (
    Action,
    Decision,
    Level,
    Relation,
    level_of,
    may,
    may_act_for,
    may_do,
    may_manage,
    reads_as_maker,
    rights_on,
)
from flight_server.access.principal import Principal
from storage.catalog.schema import TableKind
from storage.catalog.table_options import ACCESS_LEVELS
from storage.catalog.users import Privilege, Role

SELECT, INSERT, UPDATE, DELETE = Privilege
# What each role may do without a grant: S(elect), I(nsert), U(pdate), D(elete).
EXPECTED = {
    Level.PUBLIC: {"user": "S", "service": "SIUD", "dba": "SIUD", "system": "SIUD"},
    Level.PRIVATE: {"user": "", "service": "SIUD", "dba": "SIUD", "system": "SIUD"},
    Level.RESTRICTED: {"user": "", "service": "", "dba": "SIUD", "system": "SIUD"},
    Level.OWN: dict.fromkeys(("user", "service", "dba", "system"), "SIUD"),
    Level.PUBLIC_STREAM: {"user": "SI", "service": "SIUD", "dba": "SIUD", "system": "SIUD"},
    Level.VIEW: {"user": "", "service": "S", "dba": "S", "system": "S"},
}
# Everything that is no matter of one table's rows: the roles that may.
ACTIONS = {
    Action.DEFINE: ("dba", "system"),
    Action.MANAGE_USERS: ("dba", "system"),
    Action.MANAGE_STORAGES: ("dba", "system"),
    Action.FLUSH: ("service", "dba", "system"),
    Action.EVICT: ("service", "dba", "system"),
    Action.COMPACT: ("dba", "system"),
    Action.BACKUP: ("service", "dba", "system"),
    Action.RESTORE: ("dba", "system"),
    Action.KILL_JOB: ("dba", "system"),
    Action.KILL_QUERY_OF_OTHERS: ("dba", "system"),
    Action.SEE_OTHERS: ("dba", "system"),
    Action.SEE_SERVER: ("dba", "system"),
    Action.SEE_FIGURES: ("service", "dba", "system"),
    Action.ACT_FOR_OTHERS: ("service", "dba", "system"),
    Action.SEE_EVERYTHING: ("dba", "system"),
}
GRANTED = [frozenset(chosen) for n in range(5) for chosen in itertools.combinations(Privilege, n)]


def caller(role: str) -> Principal:
    return Principal("ann", role)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("granted", GRANTED, ids=lambda g: "".join(p[0] for p in sorted(g)) or "nothing")
def test_every_role_at_every_level_with_every_grant(level, role, granted):
    by_role = {p for p in Privilege if p[0] in EXPECTED[level][role]}
    expected = by_role | (granted & {SELECT} if level is Level.VIEW else granted)
    relation = Relation(level, granted)
    assert rights_on(caller(role), relation) == expected
    for privilege in Privilege:
        denied = Decision.DENIED if expected else Decision.HIDDEN
        assert may(caller(role), privilege, relation) is (Decision.ALLOWED if privilege in expected else denied)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_every_role_and_every_action(role, action):
    assert may_do(caller(role), action) == (role in ACTIONS[action])


def test_all_levels_of_tables_are_in_the_matrix():
    assert {*ACCESS_LEVELS, "own", "public stream", "view"} == set(Level) == set(grants._ON_TABLES)
    assert set(grants._ACTIONS) == set(Action) == set(ACTIONS)


@pytest.mark.parametrize("kind", TableKind)
@pytest.mark.parametrize("access_level", ACCESS_LEVELS)
def test_user_tables_and_public_streams_are_more_open_than_their_access_level_says(kind, access_level):
    if kind is TableKind.USER:
        expected = Level.OWN
    elif kind is TableKind.STREAM and access_level == "public":
        expected = Level.PUBLIC_STREAM
    else:
        expected = access_level
    assert level_of(kind, access_level) == expected


@pytest.mark.parametrize("role", ["", "admin", "SYSTEM", "root", "dba "])
def test_an_unknown_role_may_nothing_whatever_it_was_granted(role):
    for level in Level:
        for privilege in Privilege:
            assert may(caller(role), privilege, Relation(level, frozenset(Privilege))) is Decision.HIDDEN
    assert not any(may_do(caller(role), action) for action in Action)
    assert not any(may_act_for(caller(role), other) or may_manage(caller(role), other) for other in Role)
    assert not any(may_act_for(caller("system"), other) for other in [role])


@pytest.mark.parametrize("role", Role)
def test_an_unknown_level_leaves_what_was_granted(role):
    assert rights_on(caller(role), Relation("open", frozenset({INSERT}))) == {INSERT}
    assert may(caller(role), SELECT, Relation("open")) is Decision.HIDDEN


@pytest.mark.parametrize(
    ("role", "others"),
    [
        ("user", ()),
        ("service", ("user", "service")),
        ("dba", ("user", "service", "dba")),
        ("system", ("user", "service", "dba", "system")),
    ],
)
def test_nobody_acts_for_a_higher_role(role, others):
    assert tuple(other for other in Role if may_act_for(caller(role), other)) == others


@pytest.mark.parametrize(
    ("role", "others"),
    [("user", ()), ("service", ()), ("dba", ("user", "service", "dba")), ("system", tuple(Role))],
)
def test_a_dba_leaves_the_system_role_alone(role, others):
    assert tuple(other for other in Role if may_manage(caller(role), other)) == others


@pytest.mark.parametrize(
    ("role", "granted", "opens"),
    [
        ("user", (), False),
        ("user", (SELECT,), True),
        ("user", (INSERT, UPDATE, DELETE), False),
        ("service", (), False),
        ("service", (SELECT,), True),
        ("dba", (), False),
        ("dba", (SELECT,), False),
        ("system", (SELECT,), False),
    ],
)
def test_a_view_opens_for_whom_it_was_granted_to_unless_they_see_all_anyway(role, granted, opens):
    assert reads_as_maker(caller(role), Relation(Level.VIEW, frozenset(granted))) is opens
