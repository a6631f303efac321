"""Known vulnerabilities: which advisories are about an environment, and how bad they are."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from lineage.domain.vulnerabilities import matches_of, without_repetitions
from lineage.vulnerability_database import DatabaseUnusable, look_up

PACKAGES = {"scikit-learn": "1.3.0", "numpy": "2.0.0"}


def advisory(*, name: str = "scikit_learn", **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": "GHSA-jw8x-6495-233v",
        "modified": "2026-06-12T08:00:00Z",
        "database_specific": {"severity": "MODERATE"},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": name},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.5.0"}]}
                ],
            }
        ],
    }
    return found | changed


def test_a_version_within_the_range_matches_by_the_normalised_name() -> None:
    (match,) = matches_of(advisory(), PACKAGES)
    assert match.as_mapping() == {
        "package": "scikit-learn",
        "version": "1.3.0",
        "id": "GHSA-jw8x-6495-233v",
        "severity": "medium",
        "fixed_in": "1.5.0",
    }


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [("1.4.9", True), ("1.5.0", False), ("1.5.0rc1", True), ("1.10", False), ("nonsense", True)],
)
def test_versions_are_compared_as_versions(version: str, is_affected: bool) -> None:
    assert bool(list(matches_of(advisory(), {"scikit-learn": version}))) is is_affected


def test_the_last_affected_version_is_included_and_what_follows_is_not() -> None:
    events = [{"introduced": "1.0"}, {"last_affected": "1.3.0"}]
    told = advisory()
    told["affected"][0]["ranges"][0]["events"] = events
    assert [one.fixed_in for one in matches_of(told, PACKAGES)] == [""]
    assert not list(matches_of(told, {"scikit-learn": "1.3.1"}))


def test_versions_that_are_named_count_without_a_range() -> None:
    named = advisory()
    named["affected"][0] |= {"ranges": [], "versions": ["1.3.0"]}
    assert len(list(matches_of(named, PACKAGES))) == 1


@pytest.mark.parametrize(
    "other",
    [
        advisory(name="pandas"),
        advisory(withdrawn="2026-06-13T00:00:00Z"),
        advisory(affected=[{"package": {"ecosystem": "npm", "name": "scikit-learn"}}]),
    ],
)
def test_what_is_about_something_else_or_withdrawn_does_not_match(other: dict[str, Any]) -> None:
    assert not list(matches_of(other, PACKAGES))


def test_an_advisory_that_repeats_another_without_a_severity_is_left_out() -> None:
    repeated = advisory(id="PYSEC-2024-110", database_specific={}, aliases=["GHSA-jw8x-6495-233v"])
    alone = advisory(id="PYSEC-2026-1", database_specific={})
    found = [match for one in (advisory(), repeated, alone) for match in matches_of(one, PACKAGES)]
    kept = without_repetitions(found)
    assert [(one.id, one.severity) for one in kept] == [
        ("GHSA-jw8x-6495-233v", "medium"),
        ("PYSEC-2026-1", "unknown"),
    ]


@given(
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
)
def test_a_range_is_what_lies_from_introduced_up_to_fixed(one: list[int], fixed: list[int]) -> None:
    told = advisory()
    bound = ".".join(map(str, fixed))
    told["affected"][0]["ranges"][0]["events"] = [{"fixed": bound}, {"introduced": "0"}]
    here = ".".join(map(str, one))
    matched = bool(list(matches_of(told, {"scikit-learn": here})))
    assert matched is (Version(here) < Version(bound))


def test_a_database_is_known_by_its_bytes_and_as_new_as_its_newest_advisory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", json.dumps(advisory()))
        archive.writestr("b.json", json.dumps(advisory(id="B", modified="2026-11-20T00:00:00Z")))
    found = look_up(path, PACKAGES)
    assert (found.as_of, found.advisories) == ("2026-11-20T00:00:00Z", 2)
    assert [one.id for one in found.matches] == ["B", "GHSA-jw8x-6495-233v"]
    listed = tmp_path / "all.json"
    listed.write_text(json.dumps([advisory()]))
    assert [one.id for one in look_up(listed, PACKAGES).matches] == ["GHSA-jw8x-6495-233v"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[1]",
        b'[{"id": "A"}]',
        b"PK\x03\x04 broken",
        b"[" * 100_000,
        json.dumps([advisory(), advisory(modified="yesterday")]).encode(),
        json.dumps([advisory(affected=[{"package": "scikit-learn"}])]).encode(),
    ],
)
def test_a_database_of_which_a_part_cannot_be_read_says_nothing(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "all.json"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable):
        look_up(path, PACKAGES)


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="cannot be read"):
        look_up(tmp_path / "nothing.zip", PACKAGES)
