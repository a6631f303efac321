"""Every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.unit.docs.pages import DOCS, PAGES, ROOT, anchors, prose, read

ALL = (*PAGES, *sorted((DOCS / "adr").glob("*.md")), ROOT / "CHANGELOG.md")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(read(found))):
            broken.append(target)
    assert not broken


def test_the_index_names_every_page() -> None:
    index = read(DOCS / "README.md")
    assert not [
        page.name for page in DOCS.glob("*.md") if page.stem != "README" and page.name not in index
    ]


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n[x](none.md) [y](#b) [z](#a)\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"none\.md"):
        test_every_relative_link_resolves(page)
    page.write_text("# A\n\n[z](#a)\n", encoding="utf-8")
    test_every_relative_link_resolves(page)
