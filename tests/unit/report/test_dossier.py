from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.domain.dossier import Dossier, DossierError
from tests.unit.report.samples import bare, challenger, champion, denied, later

SAMPLES = (champion, denied, challenger, bare)
plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_reading_what_was_written_gives_the_same_dossier(sample: Any) -> None:
    dossier = sample()
    text = json.dumps(dossier.to_mapping(), allow_nan=False)
    assert Dossier.from_mapping(json.loads(text)) == dossier


@given(plain_json)
def test_free_values_survive_the_round_trip(value: Any) -> None:
    dossier = champion()
    assert dossier.decision is not None
    gates = (replace(dossier.decision.gates[0], expected=value, actual={"found": value}),)
    changed = replace(dossier, decision=replace(dossier.decision, gates=gates))
    read = Dossier.from_mapping(json.loads(json.dumps(changed.to_mapping())))
    assert read == changed


def test_every_field_is_written_even_where_nothing_is_recorded() -> None:
    mapping = bare().to_mapping()
    assert set(mapping) == set(Dossier.__dataclass_fields__)
    assert mapping["policy"] is None
    assert mapping["approvals"] == []


def test_times_are_written_in_utc() -> None:
    elsewhere = datetime(2026, 11, 23, 15, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    mapping = replace(bare(), generated_at=elsewhere).to_mapping()
    assert mapping["generated_at"] == "2026-11-23T14:00:05.000000Z"


def _with_measurement(value: Any) -> Dossier:
    base = champion()
    return replace(base, evidence=(replace(base.evidence[0], measurements={"n": [value]}),))


@pytest.mark.parametrize(
    ("dossier", "path"),
    [
        (lambda: _with_measurement(float("nan")), "dossier.evidence[0].measurements.n[0]"),
        (lambda: _with_measurement(float("-inf")), "dossier.evidence[0].measurements.n[0]"),
        (lambda: _with_measurement({1: 2}), "dossier.evidence[0].measurements.n[0]"),
        (lambda: _with_measurement("\ud800"), "dossier.evidence[0].measurements.n[0]"),
        (lambda: _with_measurement(object()), "dossier.evidence[0].measurements.n[0]"),
        (
            lambda: replace(bare(), generated_at=later(0).replace(tzinfo=None)),
            "dossier.generated_at",
        ),
        (lambda: replace(bare(), aliases=["champion"]), "dossier.aliases"),
        (lambda: replace(bare(), aliases=("champion",)), "dossier.aliases[0]"),
        (lambda: replace(bare(), version=2), "dossier.version"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(dossier: Any, path: str) -> None:
    with pytest.raises(DossierError) as refused:
        dossier().to_mapping()
    assert refused.value.path == path
    assert refused.value.code == "dossier_invalid"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generated_at", "yesterday"),
        ("generated_at", "2026-11-23T14:00:00"),
        ("generated_at", None),
        ("model_name", 7),
        ("aliases", {}),
        ("lineage", "none"),
        ("decision", {"verdict": "allow"}),
    ],
)
def test_malformed_mappings_are_refused(key: str, value: Any) -> None:
    mapping = champion().to_mapping() | {key: value}
    with pytest.raises(DossierError) as refused:
        Dossier.from_mapping(mapping)
    assert refused.value.path.startswith(f"dossier.{key}")


def test_a_missing_part_is_refused_not_defaulted() -> None:
    mapping = champion().to_mapping()
    del mapping["approvals"]
    with pytest.raises(DossierError, match=r"dossier\.approvals: missing"):
        Dossier.from_mapping(mapping)


@pytest.mark.parametrize("word", ["approved", "", "ALLOW", None, True])
def test_words_outside_the_vocabulary_are_refused(word: Any) -> None:
    base = champion()
    assert base.decision is not None
    with pytest.raises(DossierError, match="verdict"):
        replace(base, decision=replace(base.decision, verdict=word)).to_mapping()


def test_a_flag_is_not_a_number() -> None:
    base = champion()
    assert base.lineage is not None
    with pytest.raises(DossierError, match="artifact_files"):
        replace(base, lineage=replace(base.lineage, artifact_files=True)).to_mapping()


def test_unknown_keys_of_a_later_version_are_ignored() -> None:
    mapping = champion().to_mapping() | {"recomputations": []}
    assert Dossier.from_mapping(mapping) == champion()


def test_read_times_are_in_utc() -> None:
    assert Dossier.from_mapping(champion().to_mapping()).generated_at == later(12).astimezone(UTC)
