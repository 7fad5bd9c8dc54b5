"""Names: what is allowed, what is reserved, and that nothing allowed is dangerous in a path or in SQL text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidRequest
from storage.names import checked_column, checked_name, checked_new_namespace, quoted, table_name


@pytest.mark.parametrize("name", ["a", "Orders", "t1", "snake_case_2", "x" * 64])
def test_plain_names_are_taken(name: str):
    assert checked_name("table", name) == name


@pytest.mark.parametrize(
    "name",
    ["", "1a", "_a", "a b", "a.b", "a/b", "..", "../x", "a\0b", "a\n", "C:\\", "x" * 65, "é", "%2e", 'a"b', "a;drop"],
)
def test_other_names_are_refused_with_the_rule(name: str):
    with pytest.raises(InvalidRequest, match="1-64 characters") as refused:
        checked_name("table", name)
    assert refused.value.sqlstate == "42602"


@given(st.text(max_size=70), st.text(max_size=70))
def test_an_allowed_table_name_is_one_plain_path_part_each(namespace: str, table: str):
    try:
        name = table_name(namespace, table)
    except InvalidRequest:
        return
    for part in (name.namespace, name.table):
        assert part.isascii()
        assert part.replace("_", "").isalnum()


@pytest.mark.parametrize("name", ["system", "information_schema", "pg_catalog", "frostline"])
def test_reserved_namespaces_are_refused(name: str):
    with pytest.raises(InvalidRequest, match="reserved") as refused:
        checked_new_namespace(name)
    assert refused.value.sqlstate == "42939"


@pytest.mark.parametrize("name", ["0", "Unnamed: 0", "délai", "a b", "x" * 255, "日本"])
def test_columns_may_be_called_nearly_anything(name: str):
    assert checked_column(name) == name


@pytest.mark.parametrize(("name", "state"), [("", "42602"), ("a\tb", "42602"), ('a"b', "42602"), ("_seq", "42939")])
def test_columns_may_not_hold_quotes_or_control_characters_or_look_like_system_columns(name: str, state: str):
    with pytest.raises(InvalidRequest) as refused:
        checked_column(name)
    assert refused.value.sqlstate == state


def test_a_refusal_shows_a_long_name_shortened():
    with pytest.raises(InvalidRequest) as refused:
        checked_name("table", "y" * 5000)
    assert len(refused.value.message) < 250


@given(st.text(max_size=20))
def test_a_quoted_name_ends_where_it_should(name: str):
    text = quoted(name)
    assert text[0] == text[-1] == '"'
    assert text[1:-1].replace('""', "").count('"') == 0
