"""What pages load: vendored files as recorded, and nothing that the strict policy refuses."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
PAGES = sorted(p for p in (ROOT / "templates").rglob("*.html") if "pdf" not in p.parts)
STYLESHEETS = sorted(STATIC.rglob("*.css"))

_INLINE = {
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "a javascript: link": re.compile(r"javascript:", re.IGNORECASE),
    "htmx evaluation": re.compile(r"hx-on|hx-vals\s*=\s*[\"']js:", re.IGNORECASE),
}


def recorded_packages() -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = json.loads((VENDOR / "VENDORED.json").read_text())["packages"]
    return packages


def test_vendored_files_are_exactly_those_recorded() -> None:
    recorded = {f["path"] for package in recorded_packages() for f in package["files"]}
    present = {p.relative_to(VENDOR).as_posix() for p in VENDOR.rglob("*") if p.is_file()}
    assert present == recorded | {"VENDORED.json"}


def test_vendored_files_have_their_recorded_digests() -> None:
    for package in recorded_packages():
        assert package["integrity"].startswith("sha512-")
        assert package["version"]
        assert package["license"]
        for file in package["files"]:
            digest = hashlib.sha256((VENDOR / file["path"]).read_bytes()).hexdigest()
            assert digest == file["sha256"], file["path"]


@pytest.mark.parametrize("sheet", STYLESHEETS, ids=lambda p: p.name)
def test_stylesheets_load_only_files_that_we_serve(sheet: Path) -> None:
    text = sheet.read_text()
    assert "sourceMappingURL" not in text
    assert "@import" not in text
    for target in re.findall(r"url\(\s*[\"']?([^\"')]+)", text):
        if not target.startswith("data:"):
            assert (sheet.parent / target).is_file(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pages_hold_nothing_that_the_strict_policy_refuses(page: Path) -> None:
    text = page.read_text()
    found = [name for name, pattern in _INLINE.items() if pattern.search(text)]
    assert found == []
    for target in re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']([^\"']+)", text):
        assert not re.match(r"(https?:)?//", target), f"loads {target} from elsewhere"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_icon_that_a_page_uses_is_in_the_sprite(page: Path) -> None:
    sprite = set(re.findall(r'id="(i-[a-z]+)"', (ROOT / "templates/inc/icons.html").read_text()))
    assert set(re.findall(r'href="#(i-[a-z]+)"', page.read_text())) <= sprite


def test_the_patterns_find_what_they_are_for() -> None:
    refused = [
        '<p style="color:red">',
        "<style>p{}</style>",
        '<a onclick="x()">',
        "<script>x()</script>",
        '<a href="javascript:x()">',
        "<a hx-on:click='x()'>",
    ]
    for text in refused:
        assert any(pattern.search(text) for pattern in _INLINE.values()), text
    assert not any(p.search('<script src="/a.js" defer></script>') for p in _INLINE.values())
