"""What a dishonest server could put into a well-signed report, and how it is found."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest import predicates
from muniment.attest.commitment import text_commitment
from muniment.attest.digest import Digest
from muniment.attest.envelope import sign_envelope
from muniment.attest.keyring import KeyEntry
from muniment.attest.keys import public_key_pem_of
from muniment.attest.note import NoteSigner
from muniment.attest.statement import StreamPosition, format_time
from tests.unit.verify.conftest import Look
from tests.unit.verify.world import (
    NOW,
    PROMOTION_ID,
    SALT,
    SETUP,
    STREAM,
    VERSION,
    World,
    failures,
    make_pdf_signer,
    make_statement_signer,
    make_world,
)

Evidence = dict[str, Any]


def without(evidence: Evidence, leaf_index: int) -> Evidence:
    kept = [entry for entry in evidence["entries"] if entry["leaf_index"] != leaf_index]
    return {**evidence, "entries": kept}


def test_a_report_under_another_logs_key_is_refused(look: Look, honest_report: bytes) -> None:
    other = NoteSigner("muniment.test/log", Ed25519PrivateKey.generate())
    verification = look(honest_report, other.vkey)
    assert failures(verification) == {"log.checkpoint": "note.unknown_key"}
    assert not verification.holds
    # What rests on the checkpoint is not said to hold.
    held = {finding.id for finding in verification.findings if finding.holds}
    assert held == {"pdf.signature", "evidence.format"}


def test_a_checkpoint_signed_by_a_stranger_is_refused(look: Look, world: World) -> None:
    forger = dataclasses.replace(
        world, log=NoteSigner(world.log.name, Ed25519PrivateKey.generate())
    )
    assert failures(look(forger.report())) == {"log.checkpoint": "note.unknown_key"}


@pytest.mark.parametrize("dropped", [2, 3, 4, 5, 6])
def test_an_entry_left_out_of_the_stream_is_a_gap(look: Look, world: World, dropped: int) -> None:
    found = failures(look(world.report(without(world.evidence(), dropped))))
    assert found["stream.complete"] == "stream.gap"


def test_an_omitted_tail_is_not_found_offline_and_the_verifier_says_so(
    look: Look, world: World
) -> None:
    """The limit of one report, stated. The dossier must leave it out too, or it contradicts."""
    evidence = without(world.evidence(), len(world.leaves) - 1)
    found = failures(look(world.report(evidence)))
    assert set(found) == {"dossier.agreement"}
    shown, shorter = evidence["dossier"], world.forked()
    shorter.leaves.pop()
    shorter.stream.pop()
    evidence["dossier"] = {
        **shorter.evidence()["dossier"],
        "log": {**shown["log"], "stream_length": len(shorter.stream)},
        "decision": {**shown["decision"], "leaf_index": None},
    }
    verification = look(world.report(evidence))
    assert verification.holds
    assert "after this report's last one" in verification.limits[0]


def test_a_stream_left_out_altogether_is_refused(look: Look, world: World) -> None:
    evidence = world.evidence()
    evidence["entries"] = evidence["entries"][:2]
    assert failures(look(world.report(evidence)))["stream.complete"] == "stream.empty"


def test_a_forked_number_is_found(look: Look, world: World) -> None:
    """Two statements under one number, both in the log."""
    place = len(world.stream) - 1
    world.state(
        predicates.PROMOTION,
        promotion("approved"),
        position=StreamPosition(STREAM, place, Digest.of_bytes(world.stream[place - 1])),
    )
    assert failures(look(world.report()))["stream.complete"] == "stream.fork"


def test_a_forked_predecessor_is_found(look: Look, world: World) -> None:
    """The right number, but it follows an envelope that this report does not show."""
    world.state(
        predicates.PROMOTION,
        promotion("approved"),
        position=StreamPosition(STREAM, len(world.stream), Digest.of_bytes(b"another history")),
    )
    assert failures(look(world.report()))["stream.complete"] == "stream.fork"


def test_a_statement_in_the_log_before_its_predecessor_is_found(look: Look, world: World) -> None:
    world.leaves[-1], world.leaves[-2] = world.leaves[-2], world.leaves[-1]
    found = failures(look(world.report()))
    assert found["stream.complete"] == "stream.order"


def test_a_statement_of_another_models_stream_is_found(look: Look, world: World) -> None:
    other = "muniment://default/models/other@1"
    world.state(
        predicates.PROMOTION, promotion("approved"), position=StreamPosition(other, 0, None)
    )
    assert failures(look(world.report()))["stream.complete"] == "stream.foreign"


def test_a_proof_of_another_leaf_is_refused(look: Look, world: World) -> None:
    evidence = world.evidence()
    entries = evidence["entries"]
    entries[3]["proof"], entries[4]["proof"] = entries[4]["proof"], entries[3]["proof"]
    assert failures(look(world.report(evidence))) == {"log.inclusion": "report.proof_of_another"}
    # With the index changed to match, the path does not.
    entries[3]["proof"] = entries[3]["proof"].replace("index 4", "index 3")
    entries[4]["proof"] = entries[4]["proof"].replace("index 3", "index 4")
    found = failures(look(world.report(evidence)))
    assert found == {"log.inclusion": "proof.root_mismatch"}


def test_an_entry_that_is_not_in_the_log_is_refused(look: Look, world: World) -> None:
    evidence = world.evidence()
    forged = world.forked()
    forged.state(predicates.PROMOTION, promotion("approved"))
    evidence["entries"][-1]["envelope"] = base64.b64encode(forged.leaves[-1]).decode()
    assert failures(look(world.report(evidence))) == {"log.inclusion": "proof.root_mismatch"}


def test_a_proof_under_another_checkpoint_is_refused(look: Look, world: World) -> None:
    evidence = world.evidence()
    world.state(predicates.PROMOTION, promotion("approved"))
    evidence["entries"][0]["proof"] = world.evidence()["entries"][0]["proof"]
    found = failures(look(world.report(evidence)))
    assert found == {"log.inclusion": "report.other_checkpoint"}


@pytest.mark.parametrize("enrolment", [0, 1])
def test_a_key_entry_without_its_proof_does_not_count(
    look: Look, world: World, enrolment: int
) -> None:
    evidence = world.evidence()
    evidence["entries"][enrolment]["proof"] = ""
    assert failures(look(world.report(evidence))) == {"log.inclusion": "proof.malformed"}


def test_without_its_key_entry_the_statement_key_is_unknown(look: Look, world: World) -> None:
    found = failures(look(world.report(without(world.evidence(), 0))))
    assert found == {"log.keys": "report.no_statement_key"}


def test_without_its_key_entry_the_certificate_is_unknown(look: Look, world: World) -> None:
    evidence = without(world.evidence(), 1)
    evidence["dossier"]["log"]["keys"].pop()
    found = failures(look(world.report(evidence)))
    assert found == {"pdf.certificate": "pdf.certificate_unknown"}


def test_a_key_enrolled_by_a_stranger_does_not_count(
    tmp_path: Path, look: Look, world: World
) -> None:
    """In the log, but signed by no enrolled key: a sequencer that took anything."""
    stranger, pdf = make_statement_signer(tmp_path, "stranger"), make_pdf_signer("Muniment")
    entry = KeyEntry.for_key("pdf", pdf.public_pem, certificate_pem=pdf.certificate_pem)
    payload = entry.statement(at=format_time(NOW), actor=SETUP)
    world.leaves.append(sign_envelope(payload, stranger))
    assert failures(look(world.report(by=pdf)))["log.keys"] == "envelope.unknown_key"


def test_a_second_self_enrolled_statement_key_does_not_count(
    tmp_path: Path, look: Look, world: World
) -> None:
    stranger = make_statement_signer(tmp_path, "stranger")
    entry = KeyEntry.for_key(
        "statement", public_key_pem_of(stranger), predicate_types=predicates.PREDICATE_TYPES
    )
    payload = entry.statement(at=format_time(NOW), actor=SETUP)
    world.leaves.append(sign_envelope(payload, stranger))
    assert failures(look(world.report()))["log.keys"] == "envelope.unknown_key"


def test_a_later_key_enrolled_by_the_first_counts(tmp_path: Path, look: Look, world: World) -> None:
    second = make_statement_signer(tmp_path, "second")
    entry = KeyEntry.for_key(
        "statement", public_key_pem_of(second), predicate_types=[predicates.PROMOTION]
    )
    world.leaves.insert(
        2, sign_envelope(entry.statement(at=format_time(NOW), actor=SETUP), world.signer)
    )
    world.state(predicates.PROMOTION, promotion("denied"), signer=second)
    assert failures(look(world.report())) == {}


def test_a_statement_by_an_unknown_key_is_refused(tmp_path: Path, look: Look, world: World) -> None:
    world.state(
        predicates.PROMOTION,
        promotion("denied"),
        signer=make_statement_signer(tmp_path, "stranger"),
    )
    assert failures(look(world.report())) == {"statements.signatures": "envelope.unknown_key"}


def test_a_key_without_permission_for_the_type_is_refused(tmp_path: Path, look: Look) -> None:
    types = tuple(name for name in predicates.PREDICATE_TYPES if name != predicates.APPROVAL)
    world = make_world(tmp_path, enrol=lambda new: new.enrol(types=types))
    found = failures(look(world.report(), world.vkey))
    assert found == {"statements.signatures": "report.key_not_permitted"}


def test_a_key_statement_by_a_key_that_may_not_enrol_is_refused(tmp_path: Path, look: Look) -> None:
    types = tuple(name for name in predicates.PREDICATE_TYPES if name != predicates.KEY)
    world = make_world(tmp_path, enrol=lambda new: new.enrol(types=types))
    assert failures(look(world.report(), world.vkey)) == {"log.keys": "report.no_statement_key"}


def test_an_envelope_that_is_no_statement_is_refused(look: Look, world: World) -> None:
    world.leaves.append(sign_envelope(b"{}", world.signer))
    assert failures(look(world.report()))["statements.signatures"] == "statement.type"
    world.leaves[-1] = b"not an envelope"
    assert failures(look(world.report()))["statements.signatures"] == "envelope.invalid"


def test_a_statement_of_another_shape_is_refused(look: Look, world: World) -> None:
    payload = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": VERSION, "digest": {"sha256": "0" * 64}}],
            "predicateType": predicates.EVIDENCE,
            "predicate": {"conclusion": "pass", **world.next_position().as_predicate()},
        }
    ).encode()
    world.leaves.append(sign_envelope(payload, world.signer))
    assert failures(look(world.report())) == {"statements.shape": "statement.predicate"}


def edited(edit: Callable[[Evidence], object]) -> Callable[[Evidence], Evidence]:
    def apply(evidence: Evidence) -> Evidence:
        edit(evidence)
        return evidence

    return apply


@pytest.mark.parametrize(
    "edit",
    [
        lambda evidence: evidence.update(format="https://muniment.dev/report-evidence/v2"),
        lambda evidence: evidence.pop("checkpoint"),
        lambda evidence: evidence.update(checkpoint=None),
        lambda evidence: evidence.pop("entries"),
        lambda evidence: evidence.update(entries={}),
        lambda evidence: evidence.update(entries=[1]),
        lambda evidence: evidence["entries"].append(evidence["entries"][0]),
        lambda evidence: evidence["entries"][0].update(leaf_index=True),
        lambda evidence: evidence["entries"][0].update(leaf_index=-1),
        lambda evidence: evidence["entries"][0].update(envelope="***"),
        lambda evidence: evidence["entries"][0].pop("proof"),
        lambda evidence: evidence.update(disclosures=None),
        lambda evidence: evidence["disclosures"].append(evidence["disclosures"][0]),
        lambda evidence: evidence["disclosures"][0].update(salt="00"),
        lambda evidence: evidence["disclosures"][0].update(commitment="XYZ"),
        lambda evidence: evidence["disclosures"][0].pop("role"),
        lambda evidence: evidence.pop("dossier"),
        lambda evidence: evidence.update(version_uri=7),
    ],
)
def test_malformed_evidence_is_refused(
    look: Look, world: World, edit: Callable[[Evidence], object]
) -> None:
    verification = look(world.report(edited(edit)(world.evidence())))
    assert list(failures(verification)) == ["evidence.format"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"format":1,"format":2}', b"[" * 100_000, b'{"n":NaN}']
)
def test_an_attachment_that_is_not_strict_json_is_refused(
    look: Look, world: World, content: bytes
) -> None:
    assert list(failures(look(world.report(content)))) == ["evidence.format"]


def test_a_report_without_entries_is_refused(look: Look, world: World) -> None:
    evidence = {**world.evidence(), "entries": []}
    assert failures(look(world.report(evidence))) == {"log.inclusion": "report.no_entries"}


# Names and reasons


def test_another_name_under_a_signature_is_found(look: Look, world: World) -> None:
    evidence = world.evidence()
    evidence["disclosures"][0]["printed_name"] = "Eve"
    assert failures(look(world.report(evidence)))["people.disclosures"] == "report.disclosure"


@pytest.mark.parametrize(
    "edit",
    [
        lambda items: items[0].update(role="admin"),
        lambda items: items[0].update(salt="00" * 32),
        lambda items: items[1].update(text="because of nothing"),
        lambda items: items.append(
            {
                "commitment": text_commitment(SALT, "never said"),
                "salt": SALT.hex(),
                "text": "never said",
            }
        ),
    ],
)
def test_a_disclosure_that_opens_nothing_is_found(
    look: Look, world: World, edit: Callable[[list[Any]], object]
) -> None:
    evidence = world.evidence()
    edit(evidence["disclosures"])
    assert failures(look(world.report(evidence)))["people.disclosures"] == "report.disclosure"


def test_a_person_is_not_disclosed_as_a_text(look: Look, world: World) -> None:
    """SHA-256(salt ‖ name ‖ 0 ‖ role) is also that of a text with a NUL in it."""
    evidence = world.evidence()
    person = evidence["disclosures"][0]
    person["text"] = f"{person.pop('printed_name')}\x00{person.pop('role')}"
    assert failures(look(world.report(evidence)))["people.disclosures"] == "report.disclosure"


def test_erased_people_stay_closed_and_the_report_holds(look: Look, world: World) -> None:
    evidence = {**world.evidence(), "disclosures": []}
    for item in evidence["dossier"]["approvals"]:
        item.update(printed_name="(erased)", reason=None)
    verification = look(world.report(evidence))
    assert verification.holds
    (people,) = [f for f in verification.findings if f.id == "people.disclosures"]
    assert "4 commitments stay closed" in people.detail


# What the pages show


@pytest.mark.parametrize(
    "edit",
    [
        lambda dossier: dossier.update(version_uri=f"{STREAM}/versions/3"),
        lambda dossier: dossier.update(stream="muniment://default/models/other@1"),
        lambda dossier: dossier.update(log=None),
        lambda dossier: dossier["log"].update(tree_size=1),
        lambda dossier: dossier["log"].update(root_hash="0" * 64),
        lambda dossier: dossier["log"].update(vkey="another"),
        lambda dossier: dossier["log"].update(stream_length=99),
        lambda dossier: dossier["log"].pop("checkpoint"),
        lambda dossier: dossier["lineage"].update(leaf_index=3),
        lambda dossier: dossier["lineage"].update(leaf_index=None),
        lambda dossier: dossier["lineage"].update(subject_digest=f"dirHash:{'0' * 64}"),
        lambda dossier: dossier["evidence"][0].update(conclusion="pass"),
        lambda dossier: dossier["evidence"][0].update(origin="computed"),
        lambda dossier: dossier["evidence"][0]["measurements"].update(accuracy=0.99),
        lambda dossier: dossier["evidence"][0].update(criteria={"at_least": 0.9}),
        lambda dossier: dossier["evidence"][0].update(digest=f"sha256:{'0' * 64}"),
        lambda dossier: dossier["evidence"][0].update(leaf_index=2),
        lambda dossier: dossier["evidence"].append(
            {**dossier["evidence"][0], "leaf_index": None, "kind": "bias"}
        ),
        lambda dossier: dossier["approvals"].pop(0),
        lambda dossier: dossier["approvals"][0].update(verdict="approve"),
        lambda dossier: dossier["approvals"][0].update(printed_name="Eve"),
        lambda dossier: dossier["approvals"][0].update(role="admin"),
        lambda dossier: dossier["approvals"][0].update(reason="another"),
        lambda dossier: dossier["approvals"][0].update(meaning="I looked at it."),
        lambda dossier: dossier["approvals"][0].update(signed_at="2026-11-22T14:00:00.000000Z"),
        lambda dossier: dossier["approvals"][0].update(evidence_digest=f"sha256:{'0' * 64}"),
        lambda dossier: dossier["approvals"].append({**dossier["approvals"][0], "leaf_index": 99}),
        lambda dossier: dossier["promotions"][0].update(status="executed"),
        lambda dossier: dossier["promotions"][0].update(id="another"),
        lambda dossier: dossier["promotions"].clear(),
        lambda dossier: dossier["decision"].update(verdict="allow"),
        lambda dossier: dossier["decision"].update(verdict=True),
        lambda dossier: dossier["decision"].update(leaf_index=4),
        lambda dossier: dossier.update(decision=[]),
        lambda dossier: dossier.update(approvals=None),
        lambda dossier: dossier.update(evidence=[None]),
    ],
)
def test_a_page_that_shows_something_else_is_found(
    look: Look, world: World, edit: Callable[[Evidence], object]
) -> None:
    evidence = json.loads(json.dumps(world.evidence()))
    edit(evidence["dossier"])
    assert list(failures(look(world.report(evidence)))) == ["dossier.agreement"]


def test_a_refusal_left_out_of_the_pages_is_named(look: Look, world: World) -> None:
    evidence = world.evidence()
    evidence["dossier"]["approvals"] = [
        item for item in evidence["dossier"]["approvals"] if item["verdict"] == "approve"
    ]
    verification = look(world.report(evidence))
    (agreement,) = [f for f in verification.findings if f.id == "dossier.agreement"]
    assert "leave out the review (refuse)" in agreement.detail


def test_a_version_of_another_model_is_found(look: Look, world: World) -> None:
    evidence = world.evidence()
    other = "muniment://default/models/other@1/versions/2"
    evidence["version_uri"] = evidence["dossier"]["version_uri"] = other
    assert list(failures(look(world.report(evidence)))) == ["dossier.agreement"]


def promotion(status: str) -> dict[str, Any]:
    return {
        "event": f"promotion.{status}",
        "promotion_id": PROMOTION_ID,
        "alias": "champion",
        "version_uri": VERSION,
        "status": status,
    }
