"""Reviews that a passkey signed, offline: the signer's own key over just this, or none."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from muniment.attest import predicates
from muniment.attest.commitment import person_commitment, text_commitment
from muniment.attest.digest import Digest
from muniment.attest.envelope import sign_envelope
from muniment.attest.passkey import challenge_of, write_part
from muniment.attest.statement import Subject, build_statement, format_time
from muniment.verify import LogQuestion
from tests.authenticator import PRESENT, SoftKey
from tests.unit.verify.conftest import Look
from tests.unit.verify.forging import agreement, as_preview, forged
from tests.unit.verify.log_folder import write_log
from tests.unit.verify.story import ARTIFACTS, POLICY_REF, PROMOTION_ID, STREAM, VERSION
from tests.unit.verify.world import NOW, REVIEWER_ID, SALT, World, failures

ADMIN_ID = "55555555-5555-4555-8555-555555555555"
OTHER_ID = "33333333-3333-4333-8333-333333333333"
FINDING = "approvals.passkeys"


@dataclass
class Ceremonies:
    """What people enrol and sign in a world; each step may be forged."""

    world: World
    key: SoftKey = field(default_factory=SoftKey)

    def enrolled(
        self, key: SoftKey | None = None, *, person: str = REVIEWER_ID, actor: str = ""
    ) -> str:
        """Enrol a key, and have it confirmed."""
        self.proposed(key, person=person, actor=actor)
        return self.confirmed(key, person=person)

    def proposed(
        self,
        key: SoftKey | None = None,
        *,
        person: str = REVIEWER_ID,
        actor: str = "",
        **more: Any,
    ) -> str:
        return self._state("credential.enrolled", key or self.key, person, actor or person, more)

    def confirmed(
        self,
        key: SoftKey | None = None,
        *,
        person: str = REVIEWER_ID,
        by: str = ADMIN_ID,
        **detail: Any,
    ) -> str:
        detail = {"proposed_by": person, "confirmed_by": by} | detail
        return self._state("credential.confirmed", key or self.key, person, by, {"detail": detail})

    def removed(self) -> str:
        return self._state("credential.removed", self.key, REVIEWER_ID, REVIEWER_ID, {})

    def _state(
        self, event: str, key: SoftKey, person: str, actor: str, more: Mapping[str, Any]
    ) -> str:
        spki = key.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        facts = {
            "kind": "passkey",
            "person": person,
            "credential_id": write_part(key.credential_id),
            "public_key": base64.b64encode(spki).decode(),
            "rp_id": "localhost",
        }
        is_new = not event.endswith("removed")
        subject = f"credential:{hashlib.sha256(key.credential_id).hexdigest()[:32]}"
        payload = build_statement(
            subjects=[Subject(subject, Digest("sha256", hashlib.sha256(spki).hexdigest()))],
            predicate_type=predicates.REGISTRY_EVENT,
            predicate={
                "event": event,
                "at": format_time(NOW),
                "actor": {"kind": "person", "id": actor},
                "before": None if is_new else facts,
                "after": facts if is_new else None,
                **more,
            },
        )
        self.world.leaves.append(sign_envelope(payload, self.world.signer))
        return subject

    def approved(
        self,
        by: SoftKey | None = None,
        *,
        challenge: bytes | None = None,
        said: Mapping[str, Any] | None = None,
        when: datetime = NOW,
        **changes: Any,
    ) -> int:
        """Append an approval that a key signed; `changes` come after the signature."""
        body: dict[str, Any] = {
            "event": "approval.given",
            "at": format_time(when),
            "actor": {"kind": "person", "id": REVIEWER_ID},
            "promotion_id": PROMOTION_ID,
            "verdict": "approve",
            "meaning": "I have reviewed this evidence.",
            "evidence_digest": self.world.evidence_digest(),
            "alias": "champion",
            "person": {
                "id": REVIEWER_ID,
                "commitment": person_commitment(SALT, "Ada approve", "reviewer"),
            },
            "role": "reviewer",
            "reason_commitment": text_commitment(SALT, "because approve"),
            "signature": "passkey",
            "policy_digest": POLICY_REF["digest"],
        }
        own = challenge_of([Subject(VERSION, ARTIFACTS)], predicates.APPROVAL, body)
        options = {"publicKey": {"challenge": write_part(challenge or own)}}
        answer = json.loads((by or self.key).get(options, **dict(said or {})))
        response = answer["response"]
        body["passkey"] = {
            "credential_id": answer["rawId"],
            "authenticator_data": response["authenticatorData"],
            "client_data_json": response["clientDataJSON"],
            "signature": response["signature"],
        }
        body |= changes
        return self.world.state(
            predicates.APPROVAL, {name: value for name, value in body.items() if value is not None}
        )

    def decided(self, **approvals: Any) -> None:
        """Let the last review decide."""
        last = hashlib.sha256(self.world.leaves[-1]).hexdigest()
        content = self.world.decided("deny")
        content["decision"]["approvals"] |= {"approved_by": [REVIEWER_ID], **approvals}
        content["decision"]["inputs"]["approvals"] = {"signed": [{"digest": last}]}
        self.world.promotion("promotion.decided", "in_review", **content)

    def bound(self, signature: str) -> None:
        """Bind the policy again, and say what it asks."""
        binding = {"model": STREAM, "policy": POLICY_REF["digest"], "risk_tier": "high"}
        self.world.state(
            predicates.POLICY,
            {"event": "policy.bound", **POLICY_REF, "signature": signature, "binding": binding},
            subject=STREAM,
        )


@pytest.fixture
def people(world: World) -> Ceremonies:
    return Ceremonies(world)


def code(look: Look, people: Ceremonies) -> str | None:
    """Return what the finding on passkeys says; None where it holds."""
    verification = look(people.world.report())
    (found,) = [item for item in verification.findings if item.id == FINDING]
    # What the dossier shows of such a story is another test's matter.
    assert set(failures(verification)) <= {FINDING, "dossier.agreement", "people.disclosures"}
    assert found.holds is (found.code is None)
    return found.code


@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "RS256"])
def test_what_the_signers_own_passkey_signed_holds_and_is_counted(
    look: Look, people: Ceremonies, kind: str
) -> None:
    people.key = SoftKey(kind)
    people.enrolled()
    people.approved()
    people.decided(signature="passkey")
    verification = look(people.world.report())
    (found,) = [item for item in verification.findings if item.id == FINDING]
    assert found.holds, found.detail
    assert found.detail.startswith("1 of 3 reviews signed with the signer's own passkey; ")
    assert any("in the hands of those" in limit for limit in verification.limits)
    assert any("removed before it signed" in limit for limit in verification.limits)


def test_a_report_without_passkeys_says_nothing_of_them(look: Look, honest: World) -> None:
    verification = look(honest.report())
    assert FINDING not in {item.id for item in verification.findings}


def test_an_assertion_of_another_statement_is_refused(look: Look, people: Ceremonies) -> None:
    people.enrolled()
    people.approved(challenge=b"\1" * 32)
    assert code(look, people) == "passkey.challenge"


@pytest.mark.parametrize(
    "changes",
    [
        {"meaning": "I have not read it."},
        {"evidence_digest": "0" * 64},
        {"policy_digest": f"sha256:{'1' * 64}"},
        {"decision_digest": f"sha256:{'1' * 64}"},
        {"at": format_time(NOW.replace(year=2027))},
        {"event": "approval.refused", "verdict": "refuse"},
        {"alias": "challenger"},
        {"promotion_id": "44444444-4444-4444-8444-444444444444"},
        {"person": {"id": REVIEWER_ID, "commitment": "0" * 64}},
        {"reason_commitment": "0" * 64},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_a_server_changes_of_what_was_signed_shows(
    look: Look, people: Ceremonies, changes: dict[str, Any]
) -> None:
    people.enrolled()
    people.approved(**changes)
    assert code(look, people) == "passkey.challenge"


def test_a_server_signs_for_nobody_with_a_key_of_its_own(look: Look, people: Ceremonies) -> None:
    people.enrolled()
    people.approved(SoftKey(credential_id=people.key.credential_id))
    assert code(look, people) == "passkey.signature"


def test_a_key_that_nobody_enrolled_before_signs_nothing(look: Look, people: Ceremonies) -> None:
    people.approved()
    people.enrolled()
    assert code(look, people) == "passkey.not_enrolled"


def test_another_persons_key_signs_nothing(look: Look, people: Ceremonies) -> None:
    people.enrolled(person=OTHER_ID)
    people.approved()
    assert code(look, people) == "passkey.other_person"


def test_a_key_that_somebody_else_enrolled_for_the_signer_signs_nothing(
    look: Look, people: Ceremonies
) -> None:
    people.enrolled(actor=OTHER_ID)
    people.approved()
    assert code(look, people) == "passkey.other_person"


def test_a_key_signs_until_it_is_removed_and_again_when_it_is_enrolled_again(
    look: Look, people: Ceremonies
) -> None:
    people.enrolled()
    people.approved()
    people.removed()
    assert code(look, people) is None
    people.approved()
    assert code(look, people) == "passkey.removed"
    del people.world.leaves[-1], people.world.stream[-1]
    people.enrolled()
    people.approved()
    assert code(look, people) is None


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {"by": REVIEWER_ID},
        {"proposed_by": ADMIN_ID},
        {"confirmed_by": OTHER_ID},
        {"proposed_by": None},
        {"bootstrap": True, "confirmed_by": None},
    ],
)
def test_a_key_that_no_second_person_confirmed_signs_nothing(
    look: Look, people: Ceremonies, detail: dict[str, Any] | None
) -> None:
    people.proposed()
    if detail is not None:
        people.confirmed(**detail)
    people.approved()
    assert code(look, people) == "passkey.not_confirmed"


def test_another_keys_confirmation_confirms_nothing(look: Look, people: Ceremonies) -> None:
    people.proposed()
    people.confirmed(SoftKey(credential_id=people.key.credential_id))
    people.approved()
    assert code(look, people) == "passkey.not_confirmed"


def test_a_key_signs_from_the_moment_on_that_its_confirmation_says(
    look: Look, people: Ceremonies
) -> None:
    people.proposed()
    people.confirmed(signs_from=format_time(NOW + timedelta(hours=24)))
    early = people.world.forked()
    people.approved(when=NOW + timedelta(hours=24))
    assert code(look, people) is None
    people.world = early
    people.approved(when=NOW + timedelta(hours=23))
    assert code(look, people) == "passkey.too_new"


def test_one_person_is_enough_only_until_there_were_two(look: Look, people: Ceremonies) -> None:
    late = people.world.forked()
    people.proposed(detail={"bootstrap": True})
    people.approved()
    assert code(look, people) is None
    people.world = late
    people.enrolled(SoftKey(), person=OTHER_ID)
    people.proposed(detail={"bootstrap": True})
    people.approved()
    assert code(look, people) == "passkey.alone"


@pytest.mark.parametrize(("flags", "expected"), [(0, "passkey.flags"), (PRESENT, "passkey.flags")])
def test_a_key_that_verified_nobody_signs_nothing(
    look: Look, people: Ceremonies, flags: int, expected: str
) -> None:
    people.enrolled()
    people.key.flags = flags
    people.approved()
    assert code(look, people) == expected


@pytest.mark.parametrize(
    ("rp_id", "said", "expected"),
    [
        ("example.org", {}, "passkey.relying_party"),
        ("localhost", {"origin": "https://example.org"}, "passkey.origin"),
        ("localhost", {"origin": "https://notlocalhost"}, "passkey.origin"),
        ("localhost", {"origin": "http://a.localhost"}, "passkey.origin"),
        ("localhost", {"origin": 7}, "passkey.origin"),
        ("localhost", {"crossOrigin": True}, "passkey.origin"),
        ("localhost", {"type": "webauthn.create"}, "passkey.ceremony"),
    ],
)
def test_a_key_that_was_used_elsewhere_signs_nothing(
    look: Look, people: Ceremonies, rp_id: str, said: dict[str, Any], expected: str
) -> None:
    people.enrolled()
    people.key.rp_id = rp_id
    people.approved(said=said)
    assert code(look, people) == expected


@pytest.mark.parametrize("changes", [{"passkey": None}, {"signature": None}, {"signature": "totp"}])
def test_a_review_bears_what_it_says_that_it_is_signed_with(
    look: Look, people: Ceremonies, changes: dict[str, Any]
) -> None:
    people.enrolled()
    people.approved(**changes)
    assert code(look, people) == "passkey.missing"


@pytest.mark.parametrize("how", ["decision", "binding"])
def test_a_decision_that_counts_less_than_its_policy_asks_is_refused(
    look: Look, people: Ceremonies, how: str
) -> None:
    if how == "binding":
        people.bound("passkey")
    people.world.review("approve")
    people.decided(**({"signature": "passkey"} if how == "decision" else {}))
    assert code(look, people) == "passkey.weak_signature"


def test_a_decision_is_not_carried_by_a_passkey_over_other_evidence(
    look: Look, people: Ceremonies
) -> None:
    people.enrolled()
    people.bound("passkey")
    people.approved()
    people.world.finding("bias", "fail", {"n": 12})
    people.decided()
    assert code(look, people) == "passkey.weak_signature"


def test_an_enrolment_that_names_another_key_than_it_holds_is_refused(
    look: Look, people: Ceremonies
) -> None:
    people.proposed()
    payload = json.loads(base64.b64decode(json.loads(people.world.leaves.pop())["payload"]))
    payload["subject"][0]["digest"] = {"sha256": "0" * 64}
    forged = json.dumps(payload).encode()
    people.world.leaves.append(sign_envelope(forged, people.world.signer))
    people.approved()
    assert code(look, people) == "passkey.enrolment"


def test_a_removal_that_a_report_leaves_out_shows_against_the_log(
    look: Look, people: Ceremonies, tmp_path: Path
) -> None:
    people.enrolled()
    people.removed()
    removal = len(people.world.leaves) - 1
    people.approved()
    evidence = people.world.evidence()
    place = write_log(tmp_path / "log", people.world.leaves, people.world.log)
    question = LogQuestion(str(place))
    whole = look(people.world.report(evidence), log=question)
    assert failures(whole)[FINDING] == "passkey.removed"
    assert "credentials.history" not in failures(whole)
    evidence["entries"] = [item for item in evidence["entries"] if item["leaf_index"] != removal]
    without = look(people.world.report(evidence), log=question)
    assert FINDING not in failures(without)
    assert failures(without)["credentials.history"] == "credentials.left_out"


def test_a_preview_counts_no_approval_that_is_weaker_than_the_policy_asks(
    look: Look, people: Ceremonies
) -> None:
    preview = forged(people.world, as_preview)
    assert agreement(look, preview).holds
    people.bound("passkey")
    found = agreement(look, forged(people.world, as_preview))
    assert "0 people approved this evidence" in found.detail


def test_the_pages_say_what_each_review_is_signed_with(look: Look, people: Ceremonies) -> None:
    def stronger(dossier: dict[str, Any]) -> None:
        dossier["approvals"][0]["signature"] = "passkey"

    assert not agreement(look, forged(people.world, stronger)).holds


def finding(people: Ceremonies, by: SoftKey | None, **changes: Any) -> None:
    """Append a finding that a key signed, or nobody's; `changes` come after the signature."""
    body: dict[str, Any] = {
        "event": "finding.raised",
        "at": format_time(NOW),
        "actor": {"kind": "person", "id": REVIEWER_ID},
        "detail": {"severity": "high", "person": {"id": REVIEWER_ID, "commitment": "0" * 64}},
    }
    if by is not None:
        body["signature"] = "passkey"
        challenge = challenge_of([Subject(VERSION, ARTIFACTS)], predicates.REGISTRY_EVENT, body)
        answer = json.loads(by.get({"publicKey": {"challenge": write_part(challenge)}}))
        response = answer["response"]
        body["passkey"] = {
            "credential_id": answer["rawId"],
            "authenticator_data": response["authenticatorData"],
            "client_data_json": response["clientDataJSON"],
            "signature": response["signature"],
        }
    body |= changes
    people.world.state(
        predicates.REGISTRY_EVENT, {name: one for name, one in body.items() if one is not None}
    )


def test_what_is_signed_beside_reviews_is_held_to_its_signers_key_and_counted(
    look: Look, people: Ceremonies
) -> None:
    people.enrolled()
    people.bound("passkey")
    finding(people, people.key)
    verification = look(people.world.report())
    (found,) = [item for item in verification.findings if item.id == FINDING]
    assert found.holds, found.detail
    assert found.detail.endswith("; and 1 other statement")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"detail": {"severity": "low", "person": {"id": REVIEWER_ID}}}, "passkey.challenge"),
        ({"detail": {"severity": "high", "person": {"id": OTHER_ID}}}, "passkey.other_person"),
        ({"passkey": None}, "passkey.missing"),
        ({"signature": None}, "passkey.missing"),
        ({"passkey": None, "signature": None}, "passkey.weak_signature"),
        ({"passkey": None, "signature": "totp"}, "passkey.weak_signature"),
    ],
    ids=str,
)
def test_a_forged_or_weaker_signature_beside_reviews_is_refused(
    look: Look, people: Ceremonies, changes: dict[str, Any], expected: str
) -> None:
    people.enrolled()
    people.bound("passkey")
    finding(people, people.key, **changes)
    assert code(look, people) == expected


def test_before_a_policy_asked_for_more_a_password_was_enough(
    look: Look, people: Ceremonies
) -> None:
    finding(people, None)
    people.bound("passkey")
    assert code(look, people) is None
