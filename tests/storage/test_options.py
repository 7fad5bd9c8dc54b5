"""Table options: each value that is shown is one that is taken back, and bad ones are refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalog.table_options import (
    KEEP_FOR_EVER,
    FlushPolicy,
    TableOptions,
    parse_duration_seconds,
    parse_flush_policy,
    parse_size_bytes,
    with_options,
)
from storage.errors import InvalidRequest

COLUMNS = ("a", "b", "c d")


@given(
    st.builds(
        FlushPolicy, rows=st.integers(1, 10**9), interval_seconds=st.integers(1, 10**6), bytes=st.integers(1, 2**40)
    ),
    st.one_of(st.just(KEEP_FOR_EVER), st.integers(0, 10**9)),
    st.lists(st.sampled_from(COLUMNS), unique=True),
    st.sampled_from(["lz4", "zstd", "snappy", "none"]),
    st.sampled_from(["public", "private", "restricted"]),
)
def test_what_is_shown_is_taken_back(policy: FlushPolicy, kept: int, sort_by: list[str], compression: str, level: str):
    options = TableOptions(policy, kept, tuple(sort_by), compression, level)
    assert with_options(TableOptions(), options.shown(), COLUMNS) == options


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800), ("0", 0)]
)
def test_durations_take_a_unit(text: str, seconds: int):
    assert parse_duration_seconds("x", text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1.5h", "5 years", "1w", "99999999999999999999d"])
def test_bad_durations_are_refused_by_name(text: str):
    with pytest.raises(InvalidRequest, match="deleted_retention"):
        with_options(TableOptions(), {"deleted_retention": text}, COLUMNS)


@pytest.mark.parametrize(("text", "size"), [("65536", 65536), ("64MiB", 64 << 20), ("1g", 1 << 30), ("2 kb", 2048)])
def test_sizes_take_a_unit(text: str, size: int):
    assert parse_size_bytes("x", text) == size


def test_a_flush_policy_may_leave_limits_out():
    assert parse_flush_policy("rows:5") == FlushPolicy(rows=5)
    assert parse_flush_policy(" interval : 2m , bytes:1k ") == FlushPolicy(interval_seconds=120, bytes=1024)


@pytest.mark.parametrize(
    "text",
    ["", ",", "rows", "rows:0", "rows:-1", "rows:x", "rows:1,rows:2", "files:3", "interval:0", "bytes:99999999999g"],
)
def test_bad_flush_policies_are_refused(text: str):
    with pytest.raises(InvalidRequest, match="flush_policy"):
        parse_flush_policy(text)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("colour", "red", "unknown table option"),
        ("sort_by", "z", "column 'z'"),
        ("compression", "rar", "lz4, zstd"),
        ("access_level", "all", "public, private"),
    ],
)
def test_other_bad_options_are_refused_with_what_is_allowed(name: str, text: str, told: str):
    with pytest.raises(InvalidRequest, match=told):
        with_options(TableOptions(), {name: text}, COLUMNS)
