"""Names: what is one, what is reserved, and that none is dangerous in a path, a key or SQL text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalog.folder_templates import portable_folder_name
from storage.catalog.names import (
    SYSTEM_NAMES,
    TableName,
    checked_column,
    checked_name,
    checked_new_namespace,
    folded,
    list_of_names,
    quoted,
    quoted_names,
    table_name,
)
from storage.catalog.schema import SYSTEM_COLUMNS
from storage.errors import InvalidRequest

NAMES = (
    *(
        "a",
        "Orders",
        "t1",
        "snake_case_2",
        "x" * 64,
        "1a",
        "0",
        "_a",
        "_dlt_loads",
        "__f1",
        "a b",
        " ",
        "a.b",
        "a/b",
        "..",
    ),
    *("../x", "C:\\", "é", "E\u0301", "%2e", 'q"x', "a;drop", "日本", "🦀" * 64, "t@v5", "_frostlin", "_sequence"),
)
NO_NAMES = ("", "x" * 65, "a\0b", "a\n", "\x1b[31m", "\x85", "a\u2028b", "\u202etxet", "\ud800")


@pytest.mark.parametrize("name", NAMES)
def test_every_text_that_can_be_seen_is_a_name(name: str):
    assert checked_name("table", name) == name
    assert checked_column(name) == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_empty_too_long_or_holds_control_characters_is_none(name: str):
    with pytest.raises(InvalidRequest, match="1-64 characters, no control characters") as refused:
        checked_name("table", name)
    assert refused.value.sqlstate == "42602"


@pytest.mark.parametrize("name", [*SYSTEM_COLUMNS, "_SEQ", "_frostline", "_Frostline_x"])
@pytest.mark.parametrize("kind", ["table", "namespace", "column"])
def test_names_of_system_columns_and_of_the_server_are_refused(kind: str, name: str):
    with pytest.raises(InvalidRequest, match=r"system column|the server's own") as refused:
        _ = checked_column(name) if kind == "column" else checked_name(kind, name)
    assert refused.value.sqlstate == "42939"


def test_the_system_columns_are_those_of_the_schema():
    assert set(SYSTEM_COLUMNS) == SYSTEM_NAMES


@given(st.text(max_size=70), st.text(max_size=70))
def test_an_allowed_table_name_is_one_path_part_each(namespace: str, table: str):
    try:
        name = table_name(namespace, table)
    except InvalidRequest:
        return
    for part in (name.namespace, name.table):
        assert "/" not in portable_folder_name(part)


@given(*[st.text(alphabet='a".é', min_size=1, max_size=5)] * 4)
def test_two_names_never_have_one_text(a: str, b: str, c: str, d: str):
    assert (str(TableName(a, b)) == str(TableName(c, d))) == ((a, b) == (c, d))


def test_a_plain_name_has_the_text_that_it_always_had():
    assert str(TableName("Shop", "t_1")) == "Shop.t_1"
    assert str(TableName("a.b", 'q"x')) == '"a.b"."q""x"'


@given(st.lists(st.text(alphabet="ab\", 'é.", min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_list_of_names_is_read_as_it_was_written(names: list[str]):
    assert quoted_names(list_of_names(names)) == tuple(names)


@pytest.mark.parametrize("text", [",", "a,", ",a", 'a"b', '"a', '"a"b', "a,,b", " "])
def test_what_is_no_list_of_names_is_none(text: str):
    assert quoted_names(text) is None


@pytest.mark.parametrize(("name", "meant"), [("ABZ_x", "abz_x"), ("É", "É"), ("İ", "İ"), ("\u212a", "\u212a")])
def test_only_plain_letters_are_folded(name: str, meant: str):
    assert folded(name) == meant


@pytest.mark.parametrize("name", ["system", "information_schema", "pg_catalog", "frostline"])
def test_reserved_namespaces_are_refused(name: str):
    with pytest.raises(InvalidRequest, match="reserved") as refused:
        checked_new_namespace(name)
    assert refused.value.sqlstate == "42939"


@pytest.mark.parametrize("name", ["0", "Unnamed: 0", "délai", "x" * 255])
def test_columns_may_have_longer_names(name: str):
    assert checked_column(name) == name


def test_a_refusal_shows_a_long_name_shortened():
    with pytest.raises(InvalidRequest) as refused:
        checked_name("table", "y" * 5000)
    assert len(refused.value.message) < 250


@given(st.text(max_size=20))
def test_a_quoted_name_ends_where_it_should(name: str):
    text = quoted(name)
    assert text[0] == text[-1] == '"'
    assert text[1:-1].replace('""', "").count('"') == 0
