"""The command line `frostline`: flags over the settings file over the defaults; errors in one line, an exit code."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from flight_server import app, settings
from flight_server import offline_commands as offline
from flight_server.app import Settings
from flight_server.flight.listen_address import AddressUnavailable
from flight_server.monitoring import log
from storage.data_directory import DirectoryInUse
from storage.errors import Corruption, FrostlineError, InvalidRequest, StorageUnavailable

# From the particular to the general: the first kind that fits gives the code.
EXIT_CODES: Final[tuple[tuple[type[FrostlineError], int], ...]] = (
    (DirectoryInUse, 3),
    (Corruption, 4),
    (AddressUnavailable, 6),
    (StorageUnavailable, 5),
    (InvalidRequest, 2),
    (FrostlineError, 1),
)

EPILOG: Final = """\
environment:
  FROSTLINE_ROOT_PASSWORD  password of user root; without it one is generated and printed at the first start

exit codes:
  0  stopped by SIGTERM or SIGINT     3  another server holds the data directory
  1  anything else                    4  stored data is damaged
  2  wrong flag or setting            5  the disk refuses
                                      6  the address can't be listened on
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    log.configure()
    try:
        run: Callable[[argparse.Namespace], int] = parsed.run
        return run(parsed)
    except FrostlineError as error:
        print(f"frostline: {error.message}", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    except Exception as error:
        structlog.get_logger("server").exception("server_broke")
        print(f"frostline: internal error ({type(error).__name__}); the log has the details", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="frostline", description="An Arrow Flight SQL database server.")
    version = importlib.metadata.version("frostline")
    parser.add_argument("--version", action="version", version=f"frostline {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="open a data directory and answer Flight SQL until stopped",
        description="Open a data directory and answer Flight SQL. Prints `ready: grpc://HOST:PORT` when it can.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--config", metavar="FILE", type=Path, help="settings file; conf/frostline.toml shows them all")
    serve.add_argument("--data", metavar="DIR", help="data directory (default: data)")
    serve.add_argument("--host", help="address for Flight SQL (default: 127.0.0.1)")
    serve.add_argument("--port", metavar="N", type=int, help="port for Flight SQL (default: 4747; 0: any free one)")
    serve.add_argument("--http-port", metavar="N", type=int, help="port for /healthz and /readyz (default: 4748)")
    serve.set_defaults(run=lambda parsed: app.serve(_settings(parsed)))
    offline.add_restore(commands)
    offline.add_recover(commands)
    return parser


def _settings(parsed: argparse.Namespace) -> Settings:
    """The settings file, if any, with the flags over it. Raises InvalidRequest."""
    base = Settings() if parsed.config is None else settings.read(parsed.config, Settings)
    flags = {name: getattr(parsed, name) for name in ("data", "host", "port", "http_port")}
    given = {name: value for name, value in flags.items() if value is not None}
    checked = settings.checked({"server": given}, Settings).server  # for its errors: a flag is a setting too
    server = dataclasses.replace(base.server, **{name: getattr(checked, name) for name in given})
    return dataclasses.replace(base, server=server)
