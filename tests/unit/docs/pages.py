"""The documents that users read, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = (
    *sorted(DOCS.glob("*.md")),
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
)

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code and the language that it names; empty for an indented block."""

    language: str
    body: str


def read(path: Path) -> str:
    """Return a page's text."""
    return path.read_text(encoding="utf-8")


def fenced(text: str, language: str) -> list[str]:
    """Return the bodies of the fenced blocks of one language, in order."""
    return [block.body for block in _fenced(text) if block.language == language]


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^(?: {4}| {8}).*$", "", _FENCE.sub("", text), flags=re.MULTILINE)


def code(text: str) -> Iterator[Block]:
    """Yield every block and every span of code."""
    yield from _fenced(text)
    rest = _FENCE.sub("", text)
    for lines in re.findall(r"(?:^ {4,}\S.*\n?)+", rest, flags=re.MULTILINE):
        yield Block("", re.sub(r"^ +", "", lines, flags=re.MULTILINE))
    for span in _SPAN.findall(rest):
        yield Block("", " ".join(span.split()))


def command_lines(text: str) -> Iterator[str]:
    """Yield each line of code that could be a command, continued lines joined."""
    for block in code(text):
        if block.language in ("json", "python", "sql", "text", "markdown"):
            continue
        body = block.body.replace("\\\n", " ")
        if block.language == "yaml":
            body = "\n".join(_scalars(yaml.safe_load(body)))
        for line in body.splitlines():
            yield re.split(r"\s#\s", line)[0].strip()


def table_rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of every row of every table, headings and rules left out."""
    rows = []
    for line, following in zip(text.splitlines(), [*text.splitlines()[1:], ""], strict=True):
        if line.startswith("|") and not following.startswith("|--") and not line.startswith("|--"):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return rows


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next of the same level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{level}}} ", text[start:], flags=re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _scalars(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _scalars(member)


def _fenced(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        yield Block(found["language"], body)
