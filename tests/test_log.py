"""The log's form and what never gets into it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from flight_server.monitoring import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(stream: io.StringIO, **keys: object) -> str:
    log.configure(stream)
    structlog.get_logger("test").info("something happened", **keys)
    return stream.getvalue()


def test_it_is_one_json_object_a_line_when_no_one_is_watching():
    event = json.loads(logged(io.StringIO(), table="public.t", rows=3))
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "something happened", "level": "info", "table": "public.t", "rows": 3}


def test_it_is_for_people_on_a_terminal():
    text = logged(Terminal(), rows=3)
    assert "something happened" in text
    assert not text.startswith("{")


def test_the_id_of_a_job_is_in_each_of_its_lines():
    with structlog.contextvars.bound_contextvars(job_id="FL-7"):
        assert json.loads(logged(io.StringIO()))["job_id"] == "FL-7"


def test_values_that_json_does_not_know_are_written_as_text():
    assert "ValueError" in json.loads(logged(io.StringIO(), error=ValueError("x"), kind=ValueError))["kind"]


@pytest.mark.parametrize("key", ["password", "root_password", "token", "Authorization", "credentials", "client_secret"])
def test_what_is_under_a_secret_key_is_hidden(key: str):
    assert "hunter2" not in logged(io.StringIO(), **{key: "hunter2"})


@pytest.mark.parametrize("text", ["Bearer aaaabbbb.cccc", "basic cm9vdDpodW50ZXIy", "grpc://root:aaaabbbb@host:1"])
def test_what_looks_like_a_secret_is_hidden_in_any_text(text: str):
    shown = logged(io.StringIO(), note=f"refused {text} from there")
    assert "aaaabbbb" not in shown
    assert "cm9vdD" not in shown
    assert "from there" in shown
