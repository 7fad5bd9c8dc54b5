"""Settings: every key known and documented, every value checked, errors by name."""

from __future__ import annotations

import dataclasses
import itertools
import re
import tomllib
from pathlib import Path

import pytest

from flight_server.app import Settings
from flight_server.settings import checked, flat, read
from storage.errors import InvalidRequest

CONF = Path(__file__).parent.parent / "conf" / "frostline.toml"


def refusal(found: dict[str, object]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        checked(found, Settings)
    return caught.value.message


def test_the_conf_file_holds_every_setting_with_its_default():
    assert flat(read(CONF, Settings)) == flat(Settings())
    written = {f"{name}.{key}" for name, section in tomllib.loads(CONF.read_text()).items() for key in section}
    assert written == set(flat(Settings()))


def test_the_example_for_s3_is_one():
    settings = read(CONF.with_name("s3.toml"), Settings)
    assert settings.storage.secrets_key_file
    assert settings.storage.storage_directories == ()


def test_every_setting_in_the_conf_file_stands_below_a_comment_of_its_own():
    lines = CONF.read_text().splitlines()
    bare = [line for above, line in itertools.pairwise(lines) if re.match(r"\w+ = ", line) and above[:2] != "# "]
    assert bare == []


def test_every_field_is_told_in_the_docstring_of_its_section():
    for section in dataclasses.fields(Settings):
        kind = type(getattr(Settings(), section.name))
        untold = [field.name for field in dataclasses.fields(kind) if field.name not in (kind.__doc__ or "")]
        assert untold == [], f"[{section.name}]"


def test_nothing_given_is_all_defaults():
    assert checked({}, Settings) == Settings()


def test_a_given_value_wins_and_its_neighbours_keep_their_defaults():
    settings = checked({"server": {"port": 5000}}, Settings)
    assert settings.server == dataclasses.replace(Settings().server, port=5000)


def test_a_whole_number_does_for_seconds():
    assert checked({"server": {"shutdown_seconds_max": 7}}, Settings).server.shutdown_seconds_max == 7.0


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"sever": {}}, "unknown setting 'sever'"),
        ({"server": {"prot": 1}}, "unknown setting 'server.prot'"),
        ({"server": {"port": "4747"}}, "'server.port'"),
        ({"server": {"port": 65536}}, "'server.port'"),
        ({"server": {"port": True}}, "'server.port'"),
        ({"server": {"port": 1.5}}, "'server.port'"),
        ({"server": {"shutdown_seconds_max": float("nan")}}, "'server.shutdown_seconds_max'"),
        ({"server": {"shutdown_seconds_max": float("inf")}}, "'server.shutdown_seconds_max'"),
        ({"server": {"insecure": "yes"}}, "'server.insecure'"),
        ({"server": 5}, "'server' is a section"),
        ({"storage": {"hot_bytes_max": 0}}, "'storage.hot_bytes_max'"),
        ({"wire": {"bound_rows_max": 0}}, "'wire.bound_rows_max'"),
        ({"jobs": {"flush_at_shutdown": "maybe"}}, "'jobs.flush_at_shutdown'"),
        ({"jobs": {"concurrent_max": 1000}}, "'jobs.concurrent_max'"),
    ],
)
def test_what_is_unknown_or_does_not_fit_is_refused_by_its_dotted_name(found: dict[str, object], name: str):
    assert name in refusal(found)


def test_a_long_bad_value_is_not_repeated_in_full():
    assert len(refusal({"server": {"port": "x" * 10_000}})) < 300


def test_a_file_that_is_missing_or_no_toml_is_told_in_one_sentence(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="can't be read: No such file"):
        read(tmp_path / "missing.toml", Settings)
    broken = tmp_path / "broken.toml"
    broken.write_text("[server\nport = 1")
    with pytest.raises(InvalidRequest, match=r"is not TOML: .*line 1"):
        read(broken, Settings)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match="is not TOML"):
        read(broken, Settings)
