"""Documents hold together: links lead somewhere, and what they list is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import documents
from tests.support.server_process import REPOSITORY

LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
KINDS = "InvalidRequest|NotFound|NotSupported|LimitExceeded"
SQLSTATE = re.compile(rf"""sqlstate\s*=\s*"(\w{{5}})"|(?:{KINDS}), "(\w{{5}})\"""")
SOURCES = [path for room in ("flight_server", "storage") for path in (REPOSITORY / room).rglob("*.py")]


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path):
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        found = document.parent / target if target else document
        assert found.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor[1:] in anchors(found), f"{document.name} links to {target}{anchor}"


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_sqlstate_of_the_code_is_in_the_reference():
    reference = (REPOSITORY / "docs" / "sql.md").read_text(encoding="utf-8")
    used = {a or b for path in SOURCES for a, b in SQLSTATE.findall(path.read_text(encoding="utf-8"))}
    assert len(used) > 30
    assert sorted(code for code in used if code not in reference) == []


def test_every_exit_code_is_documented():
    from flight_server.cli import EXIT_CODES

    operating = (REPOSITORY / "docs" / "operating.md").read_text(encoding="utf-8")
    assert [code for _, code in EXIT_CODES if f"| {code} | " not in operating] == []


def test_every_key_family_is_in_the_format():
    from storage.rowstore.keys import FAMILIES, MetaKind

    text = (REPOSITORY / "docs" / "on-disk-format.md").read_text(encoding="utf-8")
    assert [family for family in FAMILIES if f"| `{family}` |" not in text] == []
    assert [kind for kind in MetaKind if f"| `{kind.value.decode()}` |" not in text] == []
