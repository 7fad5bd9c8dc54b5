"""The command as its user meets it: flags, one-line errors with exit codes, start and stop of a real process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.cli import main
from flight_server.flight.listen_address import flight_uri, is_loopback
from tests.support.server_process import REPOSITORY, ROOT_PASSWORD, ServerProcess


def started(data: Path, root_password: str | None = ROOT_PASSWORD) -> ServerProcess:
    """By the command itself."""
    return ServerProcess(data, root_password=root_password, is_forked=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with started(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a start that fails."""
    code = main(["serve", *arguments])
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, err
    assert lines[0].startswith("frostline: ")
    assert "Traceback" not in err
    return code, lines[0]


def test_version_and_help_are_told(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"frostline \d+\.\d+\.\d+\n", capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["serve", "--wings"], ["serve", "--port", "x"]])
def test_a_wrong_command_line_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: frostline" in capsys.readouterr().err


def test_a_port_out_of_range_is_refused_by_its_settings_name(capsys: pytest.CaptureFixture[str]):
    code, line = refused(capsys, "--port", "70000")
    assert code == 2
    assert "server.port" in line


def test_an_unknown_setting_in_the_file_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "c.toml"
    config.write_text("[jobs]\nconcurent_max = 3\n")
    code, line = refused(capsys, "--config", str(config))
    assert code == 2
    assert "jobs.concurent_max" in line


def test_a_host_that_others_reach_is_refused_without_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, line = refused(capsys, "--host", "0.0.0.0", "--data", str(tmp_path / "d"))  # noqa: S104
    assert code == 2
    assert "insecure" in line
    assert not (tmp_path / "d").exists()


def test_a_certificate_that_can_not_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "c.toml"
    config.write_text("[server]\ntls_certificate = 'missing.pem'\ntls_key = 'missing.key'\n")
    flags = ("--config", str(config), "--data", str(tmp_path / "d"), "--port", "0", "--http-port", "0")
    code, line = refused(capsys, *flags)
    assert code == 2
    assert "server.tls_certificate" in line


def test_a_taken_port_is_refused_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, line = refused(capsys, "--data", str(tmp_path / "d"), "--port", port, "--http-port", "0")
        assert (code, port in line, "--port" in line) == (6, True, True)
        code, line = refused(capsys, "--data", str(tmp_path / "d"), "--port", "0", "--http-port", port)
        assert (code, port in line, "--http-port" in line) == (6, True, True)


def test_a_second_server_on_the_same_directory_is_told_who_holds_it(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
):
    code, line = refused(capsys, "--data", str(server.data), "--port", "0", "--http-port", "0")
    assert code == 3
    assert str(server.process.pid) in line


def test_a_second_server_on_the_same_port_is_refused_though_grpc_would_share_it(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    port = server.uri.rpartition(":")[2]
    code, line = refused(capsys, "--data", str(tmp_path / "d"), "--port", port, "--http-port", "0")
    assert code == 6
    assert port in line


def test_the_ready_line_is_all_of_stdout_and_the_log_is_json(server: ServerProcess):
    assert re.fullmatch(r"grpc://127\.0\.0\.1:\d+", server.uri)
    assert server.stdout == [f"ready: {server.uri}"]
    assert [event["uri"] for event in server.events if event["event"] == "serving"] == [server.uri]
    assert server.root_password is not None
    assert not any(server.root_password in line for line in server.stderr)


def test_the_health_pages_answer_beside_it(server: ServerProcess):
    assert server.health("/healthz") == (200, "ok\n")
    assert server.health("/readyz") == (200, "ready\n")
    assert server.health("/")[0] == 404


def test_a_generated_password_is_shown_once_and_never_again(tmp_path: Path):
    for shown in (1, 0):
        with started(tmp_path / "data", root_password=None) as process:
            assert process.stop() == 0
            assert sum("password of user root" in line for line in process.stderr) == shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order_with_code_0(number: signal.Signals, tmp_path: Path):
    with started(tmp_path / "data") as process:
        process.signal(number)
        assert process.wait() == 0
        assert process.events[-1]["event"] == "stopped"


def test_a_signal_while_it_starts_stops_it_with_code_0(tmp_path: Path):
    process = started(tmp_path / "data")
    process.start()
    try:
        while not any(event["event"] == "storage_opened" for event in process.events):
            assert process.process.poll() is None
            time.sleep(0.01)
        assert process.stop() == 0
    finally:
        process.end()


def test_after_a_kill_the_directory_opens_again(tmp_path: Path):
    with started(tmp_path / "data") as process:
        process.kill()
    with started(tmp_path / "data") as process:
        assert process.stop() == 0


def test_the_installed_command_is_this_one():
    name = "from importlib.metadata import entry_points as e; print(*e(group='console_scripts', name='frostline'))"
    found = subprocess.run([sys.executable, "-c", name], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert "flight_server.__main__:main" in found.stdout


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_only_this_machines_own_addresses_count_as_loopback(host: str, expected: bool):
    assert is_loopback(host) is expected


def test_uris_tell_tls_and_bracket_ipv6():
    assert flight_uri("127.0.0.1", 4747, tls=False) == "grpc://127.0.0.1:4747"
    assert flight_uri("::1", 4747, tls=True) == "grpc+tls://[::1]:4747"
