"""docs/proof.md is of these faults: whoever adds one runs `make proof`."""

from __future__ import annotations

import pytest

from tests.proof.faults import MODULE, known_faults
from tests.support.server_process import REPOSITORY


def test_the_page_lists_every_fault_with_its_test():
    pytest.importorskip(MODULE)  # until the list is there
    text = (REPOSITORY / "docs" / "proof.md").read_text(encoding="utf-8")
    _, _, table = text.partition("## The engine's known faults")
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    missing = [
        fault.name
        for fault in known_faults()
        if not any(f"| `{fault.name}` |" in row and f"| `{fault.test}` |" in row for row in rows)
    ]
    assert missing == []
    assert len(rows) == len(known_faults())
