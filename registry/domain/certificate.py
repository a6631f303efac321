"""Certificates: what a SLSA verification summary says of a promotion that was executed.

Source: https://slsa.dev/spec/v1.1/verification_summary. A member of our own has a URI as its name,
as SLSA asks for; levels of our own do not begin with `SLSA_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from muniment.attest.digest import Digest
from muniment.attest.predicates import CERTIFICATE
from muniment.attest.statement import format_time
from registry.domain.certificate_end import end_of
from registry.domain.policy import Policy
from registry.domain.words import GateOutcome, Grade, Leg

SLSA_VERSION: Final = "1.1"
PASSED: Final = "PASSED"


@dataclass(frozen=True, slots=True)
class Promoted:
    """A promotion that was executed, and the decision that allowed it.

    `decision` is that decision as the log states it, `decision_entry` the digest of its envelope,
    `reviews` those of the signed reviews that stood, `produced_at` when each finding that it names
    was made, by the finding's digest; `measured` what those measured that say how long they hold.
    `server` is the address at which the log's entries are read.
    """

    promotion_id: str
    model: str
    version: int
    version_uri: str
    alias: str
    policy: Policy
    decision: Mapping[str, Any]
    decision_entry: str
    reviews: Sequence[str]
    produced_at: Mapping[str, datetime]
    measured: Mapping[str, Mapping[str, Any]]
    server: str

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Give what the decision was made from."""
        inputs: Mapping[str, Any] = self.decision["inputs"]
        return inputs

    def end(self, *, now: datetime) -> datetime:
        """Give when the certificate ends that is issued at `now`."""
        return end_of(
            self.policy,
            self.decision,
            produced_at=self.produced_at,
            measured=self.measured,
            now=now,
        )


def certificate_predicate(promoted: Promoted, *, now: datetime) -> dict[str, Any]:
    """Give the verification summary of a promotion that is executed at `now`."""
    return {
        "verifier": {"id": promoted.server},
        "timeVerified": format_time(now),
        "resourceUri": promoted.version_uri,
        "policy": {
            "uri": f"{promoted.server}/policies/{_hex(promoted.policy.digest)}/",
            "digest": Digest.parse(promoted.policy.digest).as_set(),
        },
        "inputAttestations": [
            {"uri": f"{promoted.server}/log/entries/{sha256}/", "digest": {"sha256": sha256}}
            for sha256 in dict.fromkeys(_attestations(promoted))
        ],
        "verificationResult": PASSED,
        "verifiedLevels": verified_levels(promoted.decision),
        "slsaVersion": SLSA_VERSION,
        CERTIFICATE: {
            "model": promoted.model,
            "version": promoted.version,
            "alias": promoted.alias,
            "promotion_id": promoted.promotion_id,
            "expires_at": format_time(promoted.end(now=now)),
        },
    }


def verified_levels(decision: Mapping[str, Any]) -> list[str]:
    """Give what was verified, as levels of our own: the policy, and the lineage's worst leg."""
    was_waived = any(gate["outcome"] == GateOutcome.WAIVED for gate in decision["gates"])
    legs = (decision["inputs"]["lineage"] or {}).get("legs", [])
    grades = {leg["leg"]: Grade(leg["grade"]) for leg in legs}
    worst = min((grades.get(leg.value, Grade.MISSING) for leg in Leg), key=lambda one: one.rank)
    return [
        "MUNIMENT_POLICY_PASSED_WITH_WAIVER" if was_waived else "MUNIMENT_POLICY_PASSED",
        f"MUNIMENT_LINEAGE_{worst.name}",
    ]


def _attestations(promoted: Promoted) -> Iterator[str]:
    """Give the digests of the envelopes that the decision rests on, its own last."""
    inputs = promoted.inputs
    if inputs["lineage"]:
        yield inputs["lineage"]["digest"]
    yield from _findings(promoted, inputs)
    if inputs["champion"]:
        yield from _findings(promoted, inputs["champion"])
    yield from promoted.reviews
    for waiver in inputs["waivers"]:
        yield _hex(waiver["digest"])
    yield promoted.decision_entry


def _findings(promoted: Promoted, holder: Mapping[str, Any]) -> list[str]:
    kinds = promoted.policy.evidence_kinds
    return [item["digest"] for item in holder["items"] if item["kind"] in kinds]


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2]
