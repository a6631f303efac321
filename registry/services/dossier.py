"""Building the dossier: everything known about one version, as frozen values for the report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from audits.domain import dossier as said
from audits.domain.dossier import Dossier
from audits.models import Evidence, LogEntry
from audits.services.signing import keyring
from lineage.models import LineageRecord
from muniment.attest.checkpoint import verify_checkpoint
from registry.domain.gate_result import GateResult
from registry.models import (
    Decision,
    ModelAlias,
    ModelVersion,
    PolicyBinding,
)
from registry.services.aliases import governed_aliases
from registry.services.dossier_history import (
    Leaves,
    Names,
    alias_history,
    approvals_of,
    conditions_of,
    events_of,
    promotions_of,
    waivers_of,
)
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.policies import document_of
from registry.version import GENERATOR


def build_dossier(
    *,
    version: ModelVersion,
    leaves: Leaves,
    checkpoint: bytes,
    requested_by: UUID | None,
    now: datetime,
) -> Dossier:
    """Gather everything that a report on a version shows.

    Args:
        leaves: leaf index by entry id, of every entry that the report carries.
        checkpoint: the signed note that those entries stand under.
        requested_by: the person who asked.
    """
    known = version.registered_model
    evaluation = evaluate_version(version=version, alias=governed_aliases()[0], as_of=now)
    names = Names()
    return Dossier(
        model_name=known.name,
        version=str(version.version),
        version_uri=version.uri,
        stream=known.uri,
        created_at=datetime.fromtimestamp(version.creation_timestamp_ms / 1000, UTC),
        source=known.source.uri,
        owner=None,
        risk_tier=evaluation.binding.risk_tier if evaluation.binding else None,
        intended_use=version.description or known.description or None,
        aliases=tuple(
            said.Alias(name=held.alias, version=str(held.version.version))
            for held in ModelAlias.objects.filter(registered_model=known)
            .select_related("version")
            .order_by("alias")
        ),
        alias_history=alias_history(version, leaves),
        policy=_policy(evaluation.binding),
        decision=_decision(evaluation, leaves),
        lineage=_lineage(version, leaves),
        evidence=_evidence(version, leaves),
        champion=_champion(evaluation),
        promotions=promotions_of(version, leaves, names),
        approvals=approvals_of(version, leaves),
        waivers=waivers_of(version, leaves),
        conditions=conditions_of(version, leaves, names),
        events=events_of(version, leaves, names),
        log=_log(checkpoint, known.uri, leaves),
        generated_at=now,
        generator=GENERATOR,
        requested_by=names.of_person(requested_by) or "unknown",
        gatekeeper_seen_at=(
            known.source.gatekeeper_seen_at if known.source.is_guarded(now) else None
        ),
    )


def _policy(binding: PolicyBinding | None) -> said.Policy | None:
    if binding is None:
        return None
    document = document_of(binding.policy)
    return said.Policy(
        name=document.name,
        version=str(document.version),
        digest=document.digest,
        title=document.title,
        jurisdiction=document.jurisdiction,
        in_force_from=document.in_force_from.isoformat(),
    )


def _gate(gate: GateResult) -> said.Gate:
    return said.Gate(
        id=gate.id,
        title=gate.title,
        outcome=gate.outcome.value,
        reason=gate.reason,
        expected=gate.expected,
        actual=gate.actual,
        kind=gate.kind.value,
        reads=gate.reads,
        gates=tuple(_gate(member) for member in gate.members),
    )


def _decision(evaluation: Evaluation, leaves: Leaves) -> said.Decision | None:
    decision = evaluation.decision
    if decision is None:
        return None
    recorded = (
        Decision.objects.filter(promotion=evaluation.promotion).order_by("-entry_id").first()
        if evaluation.promotion
        else None
    )
    return said.Decision(
        verdict=decision.verdict.value,
        alias=evaluation.alias,
        gates=tuple(_gate(gate) for gate in decision.gates),
        evaluated_at=decision.as_of,
        reasons=decision.reasons,
        approvals_given=decision.approvals.given,
        approvals_required=decision.approvals.required,
        approvals_reason=decision.approvals.reason,
        evidence_digest=f"sha256:{decision.evidence_digest}",
        # What is shown was evaluated just now: it stands in the log only where it came out the
        # same as the decision that was signed.
        leaf_index=(
            leaves.get(recorded.entry_id)
            if recorded
            and (recorded.verdict, recorded.evidence_digest)
            == (decision.verdict.value, decision.evidence_digest)
            else None
        ),
    )


def _lineage(version: ModelVersion, leaves: Leaves) -> said.Lineage | None:
    record = (
        LineageRecord.objects.filter(version_uri=version.uri)
        .select_related("entry")
        .order_by("-entry_id")
        .first()
    )
    if record is None:
        return None
    facts = record.facts
    seed = facts.get("seed")
    return said.Lineage(
        subject_digest=record.subject_digest,
        legs=tuple(
            said.Leg(name=name, grade=leg["grade"], reason=leg["reason"])
            for name, leg in record.legs.items()
        ),
        dependencies=tuple(
            said.Dependency(
                name=item["name"], digest=item.get("digest"), uri=item.get("uri") or None
            )
            for item in facts.get("dependencies", ())
        ),
        artifact_files=len(record.artifacts) or None,
        artifact_tree_digest=record.subject_digest if record.artifacts else None,
        parameters=facts.get("parameters", {}),
        seeds={"seed": seed} if seed is not None else {},
        run_id=record.run_id or None,
        commit=facts.get("commit"),
        remote=facts.get("remote"),
        entry_point=facts.get("entry_point"),
        recorded_at=record.recorded_at,
        digest=f"sha256:{record.entry.sha256}",
        leaf_index=leaves.get(record.entry_id),
    )


def _evidence(version: ModelVersion, leaves: Leaves) -> tuple[said.Evidence, ...]:
    rows = Evidence.objects.filter(version_uri=version.uri).select_related("entry")
    return tuple(
        said.Evidence(
            kind=row.kind,
            origin=cast("said.Origin", row.origin),
            conclusion=cast("said.Conclusion", row.conclusion),
            reasons=tuple(row.reasons),
            measurements=row.measurements,
            produced_at=row.produced_at,
            digest=f"sha256:{row.entry.sha256}",
            criteria=row.criteria or None,
            producer=row.entry.actor_id,
            leaf_index=leaves.get(row.entry_id),
        )
        for row in rows.order_by("entry_id")
    )


def _champion(evaluation: Evaluation) -> said.ChampionComparison:
    champion = evaluation.view.champion
    if champion is None:
        return said.ChampionComparison(
            champion_version=None,
            same_rows=None,
            metrics=(),
            note=f"The alias {evaluation.alias} has never been held by another version.",
        )
    ours = _measured(evaluation.view.items)
    theirs = _measured(champion.items)
    return said.ChampionComparison(
        champion_version=champion.version_uri.rsplit("/", 1)[-1],
        same_rows=(
            ours.get("rows_digest") == theirs.get("rows_digest") if ours and theirs else None
        ),
        metrics=tuple(
            said.MetricDifference(
                name=name, this_version=_number(ours, name), champion=_number(theirs, name)
            )
            for name in ("accuracy", "balanced_accuracy")
        ),
    )


def _measured(items: tuple[object, ...]) -> Mapping[str, object]:
    for item in items:
        if getattr(item, "kind", "") == "performance" and item.superseded_by is None:  # type: ignore[attr-defined]
            return item.measurements  # type: ignore[attr-defined,no-any-return]
    return {}


def _number(measured: Mapping[str, object], name: str) -> float | None:
    value = measured.get(name)
    return float(value) if isinstance(value, int | float) else None


def _log(checkpoint: bytes, stream: str, leaves: Leaves) -> said.Log:
    ring = keyring()
    head = verify_checkpoint(checkpoint, ring.log.vkeys)
    enrolled = {
        entry.subject_name: entry.pk for entry in LogEntry.objects.filter(event="key.enrolled")
    }
    return said.Log(
        origin=ring.log.origin,
        vkey=ring.log.vkey,
        checkpoint=checkpoint.decode(),
        tree_size=head.tree_size,
        root_hash=head.root_hash.hex(),
        stream_length=LogEntry.objects.filter(stream=stream, pk__in=leaves).count(),
        keys=tuple(
            said.Key(
                use=key.use,
                keyid=key.keyid,
                scheme=key.scheme,
                certificate_sha256=key.certificate_sha256,
                leaf_index=leaves.get(enrolled.get(key.subject.name, -1)),
            )
            for key in ring.keys
        ),
    )
