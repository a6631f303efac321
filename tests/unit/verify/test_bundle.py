"""The form of a bundle: written by servers, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.bundle import (
    MAX_BUNDLE_ENTRIES,
    MAX_BUNDLE_FILE_BYTES,
    SCHEMA,
    Bundle,
    LoggedEntry,
    build_bundle,
    parse_bundle,
)
from muniment.attest.errors import BundleError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENTRIES = st.lists(
    st.builds(LoggedEntry, st.integers(0, 2**63 - 1), st.binary(max_size=80), TEXT),
    min_size=1,
    max_size=6,
    unique_by=lambda entry: entry.leaf_index,
)
ENTRY = LoggedEntry(3, b"envelope", "proof")


@given(TEXT, ENTRIES)
def test_a_bundle_is_read_back_in_its_order(note: str, entries: list[LoggedEntry]) -> None:
    content = build_bundle(note.encode(), entries)
    assert parse_bundle(content) == Bundle(note.encode(), tuple(entries))
    assert build_bundle(note.encode(), entries) == content


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(build_bundle(b"note", [ENTRY]))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: bundle.update(schema="https://muniment.dev/bundle/v2"),
        lambda bundle: bundle.pop("schema"),
        lambda bundle: bundle.pop("checkpoint"),
        lambda bundle: bundle.update(checkpoint=7),
        lambda bundle: bundle.update(checkpoint="x" * 1_000_001),
        lambda bundle: bundle.update(entries=[]),
        lambda bundle: bundle.update(entries={}),
        lambda bundle: bundle.update(entries=["x"]),
        lambda bundle: bundle.update(entries=bundle["entries"] * 2),
        lambda bundle: bundle["entries"][0].update(leaf_index=-1),
        lambda bundle: bundle["entries"][0].update(leaf_index=True),
        lambda bundle: bundle["entries"][0].update(leaf_index=2**63),
        lambda bundle: bundle["entries"][0].update(leaf_index="3"),
        lambda bundle: bundle["entries"][0].update(envelope="ZW52ZWxvcGU"),
        lambda bundle: bundle["entries"][0].update(envelope="A" * 4 * 21_846),
        lambda bundle: bundle["entries"][0].pop("envelope"),
        lambda bundle: bundle["entries"][0].pop("proof"),
        lambda bundle: bundle.update(
            entries=[
                {**bundle["entries"][0], "leaf_index": index}
                for index in range(MAX_BUNDLE_ENTRIES + 1)
            ]
        ),
    ],
)
def test_a_malformed_bundle_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert parse_bundle(changed(lambda bundle: None)).entries == (ENTRY,)
    with pytest.raises(BundleError):
        parse_bundle(changed(change))


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"\xff", b"{" * 100_000, f'{{"schema": "{SCHEMA}"}}'.encode(),
     build_bundle(b"note", [ENTRY]).replace(b'"entries"', b'"checkpoint": "", "entries"'),
     b" " * (MAX_BUNDLE_FILE_BYTES + 1)],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        parse_bundle(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        parse_bundle(content)


@pytest.mark.parametrize(
    ("note", "entries"),
    [
        (b"note", []),
        (b"note", [ENTRY, ENTRY]),
        (b"note", [LoggedEntry(-1, b"", "")]),
        (b"note", [LoggedEntry(0, b"x" * 65_536, "")]),
        (b"note", [LoggedEntry(0, b"", "\ud800")]),
        (b"\xff", [ENTRY]),
        (b"x" * 1_000_001, [ENTRY]),
    ],
)
def test_what_could_not_be_read_back_is_not_written(
    note: bytes, entries: list[LoggedEntry]
) -> None:
    with pytest.raises(BundleError):
        build_bundle(note, entries)
