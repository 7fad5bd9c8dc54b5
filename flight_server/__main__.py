"""The process behind the command `frostline`, and behind `python -m flight_server`, starts here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

from flight_server.allocators import spare_memory


class WithoutPandas(MetaPathFinder):
    """pyarrow loads pandas wherever it is installed. The server never uses it, and it costs 0.7 s and 60 MB."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ModuleNotFoundError for pandas; finds nothing else, so that others look."""
        if name == "pandas":
            raise ModuleNotFoundError("the server runs without pandas", name=name)


def main() -> int:
    """Run the command in a process of its own; returns the exit code."""
    sys.meta_path.insert(0, WithoutPandas())
    spare_memory()
    from flight_server.cli import main as run  # only now may pyarrow be loaded

    return run()


if __name__ == "__main__":
    sys.exit(main())
