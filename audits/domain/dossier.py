"""The dossier: everything about one version that a report shows.

Whoever knows the facts (registry) builds it and hands it down; the report prints it and the PDF
carries it, in JSON, beside the signed envelopes. It holds what is *known*: `None` means "not
recorded", an empty tuple means "recorded, and there are none". The report says either in words,
so leaving a part out cannot hide it.

Laws: `Dossier.from_mapping(d.to_mapping()) == d` for every dossier whose times are in UTC and whose
free mappings are plain JSON; `to_mapping()` is deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from audits.domain.dossier_json import DossierError, Json, decode, encode

__all__ = [
    "Alias",
    "AliasChange",
    "Approval",
    "ChampionComparison",
    "Decision",
    "Dependency",
    "Dossier",
    "DossierError",
    "Evidence",
    "Gate",
    "Key",
    "Leg",
    "Lineage",
    "Log",
    "MetricDifference",
    "Policy",
    "Promotion",
    "RegistryEvent",
    "StatusChange",
    "Waiver",
]

Verdict = Literal["allow", "deny", "pending"]
GateOutcome = Literal[
    "satisfied", "unsatisfied", "insufficient", "pending", "waived", "not_applicable"
]
Grade = Literal["verified", "recorded", "weak", "missing"]
Conclusion = Literal["pass", "fail", "insufficient", "error"]
Origin = Literal["computed", "reported"]
ReviewVerdict = Literal["approve", "refuse", "request_changes"]


@dataclass(frozen=True, slots=True)
class Alias:
    """Say which version an alias names now; `version` is None while it names none."""

    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class AliasChange:
    """One move of an alias, from the log. `cause` says in words what allowed or explains it."""

    alias: str
    at: datetime
    from_version: str | None
    to_version: str | None
    cause: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy version that the decision was made by. `digest` is textual, `sha256:<hex>`."""

    name: str
    version: str
    digest: str
    title: str | None = None
    jurisdiction: str | None = None
    in_force_from: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate's outcome. `expected` and `actual` are plain numbers, words or small mappings.

    `kind` is the policy's word for it, and says what evidence it reads; `reads` does where a kind
    does not. `gates` are those inside it.
    """

    id: str
    title: str
    outcome: GateOutcome
    reason: str
    expected: Json = None
    actual: Json = None
    kind: str = ""
    reads: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy decided, gate by gate, as of `evaluated_at`.

    `reasons` are one sentence for each thing that stands in the way. `evidence_digest` is the
    textual digest of exactly the evidence that was judged: the same value that an approval signs.
    `approvals_reason` says in words what the signed reviews come to under the policy's rule.
    """

    verdict: Verdict
    alias: str
    gates: tuple[Gate, ...]
    evaluated_at: datetime
    reasons: tuple[str, ...] = ()
    approvals_given: int | None = None
    approvals_required: int | None = None
    approvals_reason: str | None = None
    evidence_digest: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of lineage (code, data, environment, configuration), graded, with the reason."""

    name: str
    grade: Grade
    reason: str


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that the version was made from. `digest` is textual, None where not recorded."""

    name: str
    digest: str | None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """What the version was made of: the signed SLSA provenance statement, in words.

    `artifact_tree_digest` is the in-toto `dirHash` of the artifact files (`dirHash:<hex>`).
    """

    subject_digest: str | None
    legs: tuple[Leg, ...]
    dependencies: tuple[Dependency, ...]
    artifact_files: int | None
    artifact_tree_digest: str | None
    parameters: Mapping[str, Json]
    seeds: Mapping[str, Json]
    run_id: str | None
    commit: str | None
    remote: str | None
    entry_point: str | None = None
    recorded_at: datetime | None = None
    digest: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding. `measurements` and `criteria` are the evidence predicate's, unchanged."""

    kind: str
    origin: Origin
    conclusion: Conclusion
    reasons: tuple[str, ...]
    measurements: Mapping[str, Json]
    produced_at: datetime
    digest: str
    criteria: Mapping[str, Json] | None = None
    producer: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of this version beside the champion's. None where either was not measured."""

    name: str
    this_version: float | None
    champion: float | None


@dataclass(frozen=True, slots=True)
class ChampionComparison:
    """This version against the holder of the alias at the time of the decision.

    `champion_version` is None while the alias has never been held; `same_rows` is None where
    that could not be told. `note` says in words what follows.
    """

    champion_version: str | None
    same_rows: bool | None
    metrics: tuple[MetricDifference, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One move of a promotion: its new status, when, by whom (printed name or service)."""

    status: str
    at: datetime
    actor: str | None = None
    note: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A request to move an alias to this version, with everything that became of it."""

    id: str
    alias: str
    status: str
    requested_by: str | None
    requested_at: datetime
    replaces_version: str | None
    timeline: tuple[StatusChange, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """A signed review verdict, refusals included, as 21 CFR 11.50 asks for it.

    `evidence_digest` is the textual digest of exactly what was shown and signed, and `signature`
    how: `password`, `totp` or `passkey`. `valid` is False
    once something dismissed it, and `dismissal` says what.
    """

    printed_name: str
    role: str
    verdict: ReviewVerdict
    meaning: str
    signed_at: datetime
    reason: str | None
    evidence_digest: str
    promotion_id: str | None = None
    valid: bool = True
    dismissal: str | None = None
    leaf_index: int | None = None
    signature: str = "password"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A signed exception to one gate. `revoked_at` is None where nobody took it back."""

    gate: str
    policy_digest: str
    printed_name: str
    role: str
    granted_at: datetime
    until: datetime
    reason: str | None
    revoked_at: datetime | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What an approval was given under the condition of: a signed finding, and what became of it.

    It is put right before `due_at` by its `owner`, who says what was done (`answer`), and somebody
    else signs that it was (`closed_by`). Whatever has not happened is None.
    """

    severity: str
    text: str | None
    raised_by: str
    raised_at: datetime
    owner: str | None
    due_at: datetime
    answer: str | None = None
    answered_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """One fact of the model's stream, in words. `violation`: no grant explains the change."""

    event: str
    at: datetime
    summary: str
    actor: str | None = None
    violation: bool = False
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key enrolled in the log for one use: `statement`, `grant` or `pdf`.

    `keyid` is lower hex; `certificate_sha256` (pdf only) is that of the certificate's DER.
    """

    use: str
    keyid: str
    scheme: str | None = None
    certificate_sha256: str | None = None
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """The log state that the report stands on: one checkpoint and the key that signed it.

    `stream_length` counts the model's own statements, `stream_seq` 0 to `stream_length - 1`.
    `root_hash` is lower hex.
    """

    origin: str
    vkey: str
    checkpoint: str
    tree_size: int
    root_hash: str
    stream_length: int | None = None
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything about one version that a report shows."""

    model_name: str
    version: str
    version_uri: str
    stream: str
    created_at: datetime | None
    source: str | None
    owner: str | None
    risk_tier: str | None
    intended_use: str | None
    aliases: tuple[Alias, ...]
    alias_history: tuple[AliasChange, ...]
    policy: Policy | None
    decision: Decision | None
    lineage: Lineage | None
    evidence: tuple[Evidence, ...]
    champion: ChampionComparison | None
    promotions: tuple[Promotion, ...]
    approvals: tuple[Approval, ...]
    events: tuple[RegistryEvent, ...]
    log: Log | None
    generated_at: datetime
    generator: str
    requested_by: str
    # When the registry store that refuses changes was heard from there; None: not lately.
    gatekeeper_seen_at: datetime | None = None
    waivers: tuple[Waiver, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def to_mapping(self) -> dict[str, Json]:
        """Return the dossier as plain JSON values, every field present, times as RFC 3339 UTC.

        Raises:
            DossierError: a time without zone, a NaN or infinite number, a word outside its
                vocabulary, or a value that JSON cannot hold; `path` says where.
        """
        return encode(self, "dossier")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Json]) -> Dossier:
        """Read what `to_mapping` wrote. Unknown keys are ignored (later versions may add some).

        Raises:
            DossierError: a key is missing or its value has another type; `path` says where.
        """
        return decode(cls, mapping, "dossier")
