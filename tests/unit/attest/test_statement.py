"""Statements and their predicates: strict in what is written, tolerant in what is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from muniment.attest import predicates
from muniment.attest.commitment import person_commitment, text_commitment
from muniment.attest.digest import Digest
from muniment.attest.errors import StatementError
from muniment.attest.predicates import PREDICATE_TYPES, require_readable, schema_for
from muniment.attest.statement import (
    StreamPosition,
    Subject,
    build_statement,
    format_time,
    parse_statement,
    parse_time,
)

STREAM = "muniment://default/models/loan@1763900000000"
VERSION = f"{STREAM}/versions/2"
SUBJECT = Subject(VERSION, Digest("dirHash", "ab" * 32))
FIRST = StreamPosition(STREAM, 0, None)
COMMON: dict[str, Any] = {
    "event": "something.happened",
    "at": "2026-11-23T14:00:00.000000Z",
    "actor": {"kind": "service", "id": "mirror"},
}
UUID = "11111111-1111-4111-8111-111111111111"
EXAMPLES: Mapping[str, dict[str, Any]] = {
    predicates.SLSA_PROVENANCE: {
        "buildDefinition": {
            "buildType": "https://muniment.dev/training/v1",
            "externalParameters": {"seed": 0, "entry_point": "train.py"},
            "internalParameters": {"legs": {"code": {"grade": "recorded", "reason": "…"}}},
            "resolvedDependencies": [
                {"uri": "git+https://example.org/r", "digest": {"gitCommit": "a" * 40}},
                {"name": "data", "digest": {"sha256": "b" * 64}, "annotations": {"rows": 1989}},
            ],
        },
        "runDetails": {
            "builder": {"id": "https://muniment.dev/capture"},
            "metadata": {"invocationId": "run", "startedOn": "2026-11-23T14:00:00Z"},
        },
    },
    predicates.REGISTRY_EVENT: {
        **COMMON,
        "before": {"version": "1"},
        "after": None,
        "detail": {"alias": "champion"},
        "violation": True,
    },
    predicates.EVIDENCE: {
        **COMMON,
        "kind": "bias",
        "origin": "reported",
        "conclusion": "fail",
        "reasons": ["impact ratio 0.774"],
        "criteria": {"threshold": "4/5"},
        "measurements": {"attributes": {"race × sex": {"judged": False}}},
        "inputs": [{"name": "predictions.parquet", "digest": {"sha256": "c" * 64}}],
    },
    predicates.POLICY: {
        **COMMON,
        "name": "credit-decision",
        "version": "1",
        "digest": f"sha256:{'d' * 64}",
        "document": "name: credit-decision\n",
        "binding": {"model": STREAM, "policy": "credit-decision", "risk_tier": "high"},
    },
    predicates.PROMOTION: {
        **COMMON,
        "promotion_id": UUID,
        "alias": "champion",
        "version_uri": VERSION,
        "status": "in_review",
        "decision": {"verdict": "pending"},
        "policy": {"name": "credit-decision", "version": 1, "digest": {"sha256": "d" * 64}},
        "evidence_digest": "e" * 64,
        "grant_id": UUID,
        "reason_commitment": "f" * 64,
    },
    predicates.APPROVAL: {
        **COMMON,
        "event": "approval.given",
        "promotion_id": UUID,
        "verdict": "approve",
        "meaning": "I have reviewed this evidence.",
        "evidence_digest": "e" * 64,
        "alias": "champion",
        "person": {"id": UUID, "commitment": "f" * 64},
        "role": "reviewer",
        "reason_commitment": "f" * 64,
    },
    predicates.REPORT: {
        **COMMON,
        "report_id": UUID,
        "sha256": "a" * 64,
        "dossier_sha256": "b" * 64,
        "tree_size": 12,
    },
    predicates.KEY: {
        **COMMON,
        "use": "statement",
        "keyid": "a" * 64,
        "scheme": "ed25519",
        "public_key_pem": "-----BEGIN PUBLIC KEY-----\n",
        "predicate_types": [predicates.REPORT],
    },
    predicates.VERIFICATION_SUMMARY: {
        "verifier": {"id": "https://muniment.bank.example"},
        "timeVerified": "2026-11-23T14:00:00.000000Z",
        "resourceUri": VERSION,
        "policy": {
            "uri": "https://muniment.bank.example/policies/1/",
            "digest": {"sha256": "a" * 64},
        },
        "inputAttestations": [{"uri": "https://x.example", "digest": {"sha256": "b" * 64}}],
        "verificationResult": "PASSED",
        "verifiedLevels": ["MUNIMENT_POLICY_PASSED"],
        "slsaVersion": "1.1",
        predicates.CERTIFICATE: {
            "model": "loan",
            "version": 2,
            "alias": "champion",
            "promotion_id": UUID,
            "expires_at": "2027-11-23T14:00:00.000000Z",
        },
    },
}


def position_for(predicate_type: str) -> StreamPosition | None:
    return None if predicate_type == predicates.KEY else FIRST


def build(predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    return build_statement(
        subjects=[SUBJECT],
        predicate_type=predicate_type,
        predicate=predicate,
        position=position_for(predicate_type),
    )


def test_there_is_an_example_of_every_type() -> None:
    assert set(EXAMPLES) == set(PREDICATE_TYPES)


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_every_schema_is_a_schema_and_stands_alone(predicate_type: str) -> None:
    schema = schema_for(predicate_type)
    Draft202012Validator.check_schema(schema)
    whole = json.loads(build(predicate_type, EXAMPLES[predicate_type]))["predicate"]
    Draft202012Validator(schema).validate(whole)


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_a_statement_is_read_back(predicate_type: str) -> None:
    content = build(predicate_type, EXAMPLES[predicate_type])
    statement = parse_statement(content)
    assert statement.subjects == (SUBJECT,)
    assert statement.predicate_type == predicate_type
    assert statement.position == position_for(predicate_type)
    assert EXAMPLES[predicate_type].items() <= statement.predicate.items()
    require_readable(predicate_type, statement.predicate)


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_an_unknown_key_is_impossible_in_what_we_write(predicate_type: str) -> None:
    with pytest.raises(StatementError) as caught:
        build(predicate_type, {**EXAMPLES[predicate_type], "surprise": 1})
    assert "surprise" in caught.value.message


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_an_unknown_key_is_ignored_in_what_we_read(predicate_type: str) -> None:
    parsed = json.loads(build(predicate_type, EXAMPLES[predicate_type]))
    parsed["surprise"] = parsed["predicate"]["surprise"] = {"nested": [1]}
    parsed["subject"][0]["surprise"] = 1
    if "actor" in parsed["predicate"]:
        parsed["predicate"]["actor"]["surprise"] = 1
    statement = parse_statement(json.dumps(parsed).encode())
    require_readable(predicate_type, statement.predicate)


@pytest.mark.parametrize("predicate_type", PREDICATE_TYPES)
def test_every_required_key_is_missed(predicate_type: str) -> None:
    stream = {"stream", "stream_seq", "previous"}
    for key in set(schema_for(predicate_type)["required"]) - stream:
        predicate = {name: v for name, v in EXAMPLES[predicate_type].items() if name != key}
        with pytest.raises(StatementError) as caught:
            build(predicate_type, predicate)
        assert repr(key) in caught.value.message
        with pytest.raises(StatementError):
            require_readable(predicate_type, predicate)


@pytest.mark.parametrize(
    "predicate_type",
    [
        predicates.SLSA_PROVENANCE,
        predicates.EVIDENCE,
        predicates.PROMOTION,
        predicates.APPROVAL,
        predicates.REPORT,
        predicates.VERIFICATION_SUMMARY,
    ],
)
def test_a_statement_about_a_model_has_its_place_in_the_stream(predicate_type: str) -> None:
    with pytest.raises(StatementError) as caught:
        build_statement(
            subjects=[SUBJECT], predicate_type=predicate_type, predicate=EXAMPLES[predicate_type]
        )
    assert "stream" in caught.value.message


@pytest.mark.parametrize(
    ("predicate_type", "change"),
    [
        (predicates.EVIDENCE, {"conclusion": "ok"}),
        (predicates.EVIDENCE, {"origin": "guessed"}),
        (predicates.EVIDENCE, {"measurements": []}),
        (predicates.EVIDENCE, {"inputs": [{"name": "x", "digest": "short"}]}),
        (predicates.EVIDENCE, {"at": "2026-11-23T14:00:00Z"}),
        (predicates.EVIDENCE, {"at": "2026-11-23 14:00:00.000000Z"}),
        (predicates.EVIDENCE, {"event": "NotDotted"}),
        (predicates.EVIDENCE, {"actor": {"kind": "robot", "id": "x"}}),
        (predicates.EVIDENCE, {"actor": {"kind": "person"}}),
        (predicates.APPROVAL, {"event": "approval.changed"}),
        (predicates.APPROVAL, {"verdict": "refuse"}),
        (predicates.APPROVAL, {"event": "approval.refused", "verdict": "approve"}),
        (predicates.APPROVAL, {"person": {"id": UUID, "commitment": "f" * 64, "name": "Ada"}}),
        (predicates.APPROVAL, {"meaning": ""}),
        (predicates.PROMOTION, {"version_uri": STREAM}),
        (predicates.PROMOTION, {"promotion_id": "7"}),
        (predicates.PROMOTION, {"status": "In Review"}),
        (predicates.REPORT, {"tree_size": -1}),
        (predicates.REPORT, {"sha256": f"sha256:{'a' * 64}"}),
        (predicates.KEY, {"use": "witness"}),
        (predicates.REGISTRY_EVENT, {"violation": "yes"}),
        (predicates.SLSA_PROVENANCE, {"runDetails": {}}),
        (predicates.VERIFICATION_SUMMARY, {"verificationResult": "OK"}),
        (predicates.VERIFICATION_SUMMARY, {"resourceUri": STREAM}),
        (predicates.VERIFICATION_SUMMARY, {predicates.CERTIFICATE: {"alias": "champion"}}),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(
    predicate_type: str, change: dict[str, Any]
) -> None:
    with pytest.raises(StatementError) as caught:
        build(predicate_type, {**EXAMPLES[predicate_type], **change})
    assert caught.value.code == "statement.predicate"
    assert caught.value.message.startswith(predicate_type.split("/")[-2])


def test_an_unknown_predicate_type_is_refused() -> None:
    with pytest.raises(StatementError):
        build("https://muniment.dev/unknown/v1", COMMON)
    with pytest.raises(StatementError):
        schema_for("https://muniment.dev/../evidence/v1")


def test_a_schema_handed_out_is_a_copy() -> None:
    schema_for(predicates.REPORT)["properties"].clear()
    build(predicates.REPORT, EXAMPLES[predicates.REPORT])


def test_what_json_cannot_say_is_not_stated() -> None:
    evidence = copy.deepcopy(EXAMPLES[predicates.EVIDENCE])
    evidence["measurements"] = {"ratio": float("nan")}
    with pytest.raises(StatementError) as caught:
        build(predicates.EVIDENCE, evidence)
    assert caught.value.code == "statement.json"


def test_the_stream_keys_come_from_the_position_alone() -> None:
    with pytest.raises(StatementError):
        build(predicates.EVIDENCE, {**EXAMPLES[predicates.EVIDENCE], "stream_seq": 7})


def test_a_statement_has_a_subject() -> None:
    with pytest.raises(StatementError):
        build_statement(
            subjects=[], predicate_type=predicates.KEY, predicate=EXAMPLES[predicates.KEY]
        )
    with pytest.raises(StatementError):
        Subject("", SUBJECT.digest)


def test_the_bytes_are_canonical() -> None:
    content = build(predicates.REPORT, EXAMPLES[predicates.REPORT])
    assert (
        content
        == json.dumps(
            json.loads(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    )


@pytest.mark.parametrize(
    ("stream", "seq", "previous"),
    [
        ("https://elsewhere", 0, None),
        (STREAM, -1, None),
        (STREAM, 1, None),
        (STREAM, 0, Digest("sha256", "0" * 64)),
        (STREAM, 1, Digest("dirHash", "0" * 64)),
    ],
)
def test_an_impossible_position_is_refused(stream: str, seq: int, previous: Digest | None) -> None:
    with pytest.raises(StatementError):
        StreamPosition(stream, seq, previous)


def rewritten(**change: Any) -> bytes:
    parsed = json.loads(build(predicates.EVIDENCE, EXAMPLES[predicates.EVIDENCE]))
    parsed.update(change)
    return json.dumps(parsed).encode()


def repositioned(**change: Any) -> bytes:
    parsed = json.loads(build(predicates.EVIDENCE, EXAMPLES[predicates.EVIDENCE]))
    for key, value in change.items():
        if value is ...:
            del parsed["predicate"][key]
        else:
            parsed["predicate"][key] = value
    return json.dumps(parsed).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        rewritten(_type="https://in-toto.io/Statement/v0.1"),
        rewritten(subject=[]),
        rewritten(subject={}),
        rewritten(subject=["x"]),
        rewritten(subject=[{"digest": {"sha256": "0" * 64}}]),
        rewritten(subject=[{"name": "x"}]),
        rewritten(subject=[{"name": "x", "digest": {"md5": "0" * 32}}]),
        rewritten(subject=[{"name": "x", "digest": {"sha256": "A" * 64}}]),
        rewritten(subject=[{"name": "", "digest": {"sha256": "a" * 64}}]),
        rewritten(predicateType=""),
        rewritten(predicateType=1),
        rewritten(predicate=[]),
        repositioned(stream=...),
        repositioned(previous=...),
        repositioned(stream=1),
        repositioned(stream_seq=0.0),
        repositioned(stream_seq=True),
        repositioned(stream_seq="0"),
        repositioned(stream_seq=1),
        repositioned(previous={"sha256": "0" * 64}),
        repositioned(previous="0" * 64),
        rewritten().replace(b'"_type"', b'"_type": "x", "_type"'),
        rewritten(x=7).replace(b'"x": 7', b'"x": 1e999'),
        rewritten(x="\ud800"),
    ],
)
def test_a_malformed_statement_is_refused(content: bytes) -> None:
    with pytest.raises(StatementError):
        parse_statement(content)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(StatementError):
        parse_statement(content)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_read_back(at: datetime) -> None:
    assert parse_time(format_time(at)) == at


def test_a_time_is_written_in_utc_with_microseconds() -> None:
    at = datetime(2026, 11, 23, 15, 0, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(at) == "2026-11-23T14:00:00.000000Z"
    with pytest.raises(StatementError):
        format_time(at.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-11-23T14:00:00Z", "2026-02-30T14:00:00.000000Z",
     "2026-11-23T14:00:00.000000+00:00", "2026-11-23T14:00:00.000000Z\n"],
)  # fmt: skip
def test_another_spelling_of_a_time_is_refused(text: str) -> None:
    with pytest.raises(StatementError):
        parse_time(text)


def test_commitments_are_what_the_contract_says() -> None:
    import hashlib

    salt = bytes(range(32))
    expected = hashlib.sha256(salt + b"Ada Lovelace" + b"\x00" + b"reviewer").hexdigest()
    assert person_commitment(salt, "Ada Lovelace", "reviewer") == expected
    assert text_commitment(salt, "because é") == (
        hashlib.sha256(salt + "because é".encode()).hexdigest()
    )


def test_two_people_cannot_share_a_commitment() -> None:
    salt = bytes(32)
    with pytest.raises(StatementError):
        person_commitment(salt, "Ada\0reviewer", "")
    assert person_commitment(salt, "Ada", "x") != person_commitment(salt, "Adax", "")


@pytest.mark.parametrize("salt", [b"", b"\x00" * 31, b"\x00" * 33])
def test_a_salt_has_32_bytes(salt: bytes) -> None:
    with pytest.raises(StatementError):
        text_commitment(salt, "text")
    with pytest.raises(StatementError):
        text_commitment(b"\x00" * 32, "\ud800")
