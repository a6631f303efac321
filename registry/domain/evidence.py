"""What an evaluation reads, as frozen values, and the digest of exactly that.

Whoever loads a view must see to three things that only the record knows:

- **Supersession.** `supersede` says which item of a kind counts; a view refuses two.
- **The champion to compare with.** For a version that holds the alias already it is the one that
  it replaced (`comparison_holder`), else the evidence would change by the promotion itself and
  every approval would fall with it.
- **Where the bytes are.** `subject_digest` is the artifact digest now, not the one of the day on
  which evidence was made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audits.domain.counts import Counts, MalformedCounts
from muniment.attest.digest import canonical_json
from registry.domain.findings import OpenFinding
from registry.domain.withdrawal import WITHDRAWN
from registry.domain.words import Grade, Leg, Origin

EVIDENCE_DIGEST_FORMAT = "https://muniment.dev/evidence-view/v1"


@dataclass(frozen=True, slots=True)
class LegFact:
    """The grade of one leg and why it has it."""

    leg: Leg
    grade: Grade
    reason: str


@dataclass(frozen=True, slots=True)
class LineageFacts:
    """The lineage record of a version: its digest, its subject and its graded legs.

    A leg that is not in `legs` counts as missing. `origin` is `reported` while the grades rest on
    what the training run said about itself. `repeats` is the digest of the record that this one
    says again after a recomputation of it; empty where it says something of its own.
    """

    digest: str
    subject_digest: str
    legs: tuple[LegFact, ...]
    origin: Origin = Origin.REPORTED
    repeats: str = ""

    def find_leg(self, leg: Leg) -> LegFact:
        """Give the fact about a leg; the worst one where the record names it twice."""
        found = [fact for fact in self.legs if fact.leg is leg]
        if not found:
            return LegFact(leg, Grade.MISSING, "The lineage record does not mention it.")
        return min(found, key=lambda fact: fact.grade.rank)


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One recorded finding about a subject.

    `measurements` is whatever JSON was recorded: it is read defensively and never trusted.
    `conclusion` is the recorder's own; gates judge again. `digest` is that of the evidence's
    envelope. `produced_at` is timezone-aware. `counts` are the measurements as `counts_from_json`
    reads them, where whoever loaded them has done so already: they are no further fact.
    """

    kind: str
    origin: str
    conclusion: str
    subject_digest: str
    measurements: Mapping[str, Any]
    produced_at: datetime
    digest: str
    reasons: tuple[str, ...] = ()
    superseded_by: str | None = None
    counts: Counts | MalformedCounts | None = None


@dataclass(frozen=True, slots=True)
class ChampionFacts:
    """The version to compare with, its own evidence, and the kinds being produced for it."""

    version_uri: str
    subject_digest: str
    items: tuple[EvidenceItem, ...] = ()
    under_way: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StandingViolation:
    """What no gate holds against: a change in MLflow that nothing allowed and that nothing undid,
    or a withdrawn dataset that the version was made from.

    `digest` is that of the statement that says so, `event` what happened.
    """

    digest: str
    event: str

    @property
    def reason(self) -> str:
        """Say in a sentence why the version may hold no alias."""
        if self.event == WITHDRAWN:
            return (
                "A dataset that the version was made from was withdrawn, so that it may hold no "
                "alias."
            )
        what = _VIOLATIONS.get(self.event, f"MLflow was changed without a grant ({self.event})")
        return f"{what}, and what was judged may not be what would be used."


_VIOLATIONS = {
    "artifacts.changed": "The version's files were changed after they were registered",
    "version.changed": "The version was pointed at other files after it was registered",
    "version.appeared": "The version was deleted and came back with other files",
    "version.gone": "The version was deleted in MLflow without a grant",
    "model.gone": "The registered model was deleted in MLflow without a grant",
}


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """All that is known about one version when one alias is asked for.

    `under_way` holds the kinds of evidence (`lineage` too) that a job is producing right now.
    `alias_ever_held` and `champion` leave out the reign of this version itself. `violations` are
    no evidence: they speak against the version whatever the evidence says.

    Raises:
        ValueError: two items of one kind that nothing supersedes, a champion of an alias that was
            never held, or this version as its own champion: such a view cannot be judged
            monotonically.

    """

    version_uri: str
    alias: str
    subject_digest: str
    lineage: LineageFacts | None
    items: tuple[EvidenceItem, ...]
    under_way: frozenset[str]
    champion: ChampionFacts | None
    alias_ever_held: bool
    violations: tuple[StandingViolation, ...] = ()
    findings: tuple[OpenFinding, ...] = ()

    def __post_init__(self) -> None:
        if self.champion is not None and not self.alias_ever_held:
            raise ValueError("a champion of an alias that was never held")
        if self.champion is not None and self.champion.version_uri == self.version_uri:
            raise ValueError("a version is not compared with itself: use comparison_holder()")
        for items in (self.items, self.champion.items if self.champion else ()):
            current = [item.kind for item in items if item.superseded_by is None]
            if len(set(current)) != len(current):
                raise ValueError("more than one current item of a kind: call supersede() first")


def current_item(items: Sequence[EvidenceItem], kind: str) -> EvidenceItem | None:
    """Give the item of that kind that nothing supersedes; None when there is none."""
    return next(
        (item for item in items if item.kind == kind and item.superseded_by is None),
        None,
    )


def supersede(items: Iterable[EvidenceItem]) -> tuple[EvidenceItem, ...]:
    """Say of each item what supersedes it, so that one item of each kind counts.

    Items come oldest first, in the order of their log. The newest counts, but what was reported
    never supersedes what Muniment computed about the same bytes: nobody reports a failed audit
    away. Items recorded twice (same digest) count once. What was superseded before stays so.
    """
    unique = list({item.digest: item for item in items}.values())
    counting: dict[str, EvidenceItem] = {}
    for item in unique:
        held = counting.get(item.kind)
        outranked = (
            held is not None
            and held.origin == Origin.COMPUTED.value
            and item.origin != Origin.COMPUTED.value
            and held.subject_digest == item.subject_digest
        )
        if item.superseded_by is None and not outranked:
            counting[item.kind] = item
    return tuple(
        item
        if item.superseded_by is not None or counting[item.kind].digest == item.digest
        else replace(item, superseded_by=counting[item.kind].digest)
        for item in unique
    )


def comparison_holder(history: Sequence[str | None], version_uri: str) -> tuple[str | None, bool]:
    """Give the version to compare with, and whether the alias was ever held by another before.

    `history` is the alias's holders by version URI, oldest first, None where it was removed. For
    the reigning holder this is the one that it replaced; else it is the last holder, also after
    the alias was removed.
    """
    holders = [holder for holder in history if holder is not None]
    while holders and holders[-1] == version_uri:
        holders.pop()
    if not holders:
        return None, False
    return holders[-1], True


def evidence_digest(
    policy_digest: str,
    alias: str,
    view: EvidenceView,
    kinds: Collection[str],
    *,
    waivers: Sequence[str] = (),
) -> str:
    """Digest exactly the evidence that is judged for an alias under a policy; 64 hex digits.

    Covers the policy's bytes, the alias (letter case ignored), the version, its artifacts, the
    lineage record, every item that counts of the kinds that the policy's gates read, the
    champion compared with, and the waivers (their digests, in order). Jobs under way and the
    time of asking are left out: they change what is decided now, not what was shown. What is
    superseded is left out too: nobody dismisses a signature by reporting what does not count.
    """
    shown = {
        "format": EVIDENCE_DIGEST_FORMAT,
        "policy": policy_digest,
        **view_mapping(_limited(view, kinds)),
    }
    shown["alias"] = alias.lower()
    del shown["under_way"]
    if shown["champion"] is not None:
        del shown["champion"]["under_way"]
    # They were raised with the approvals, and move no digest that those signed.
    shown.pop("findings", None)
    if waivers:
        shown["waivers"] = list(waivers)
    return hashlib.sha256(canonical_json(shown)).hexdigest()


def _limited(view: EvidenceView, kinds: Collection[str]) -> EvidenceView:
    def read(items: Iterable[EvidenceItem]) -> tuple[EvidenceItem, ...]:
        return tuple(item for item in items if item.kind in kinds)

    champion = view.champion
    return replace(
        view,
        items=read(view.items),
        champion=None if champion is None else replace(champion, items=read(champion.items)),
    )


def view_mapping(view: EvidenceView) -> dict[str, Any]:
    """Give the view as JSON, evidence by digest: its bodies are statements of the same log.

    Items that something supersedes are left out, for no gate reads them; so is `violations` where
    there is none.
    """
    mapping: dict[str, Any] = {
        "version_uri": view.version_uri,
        "alias": view.alias.lower(),
        "subject_digest": view.subject_digest,
        "lineage": None if view.lineage is None else _lineage_mapping(view.lineage),
        "items": _item_mappings(view.items),
        "under_way": sorted(view.under_way),
        "champion": None
        if view.champion is None
        else {
            "version_uri": view.champion.version_uri,
            "subject_digest": view.champion.subject_digest,
            "items": _item_mappings(view.champion.items),
            "under_way": sorted(view.champion.under_way),
        },
        "alias_ever_held": view.alias_ever_held,
    }
    if view.violations:
        mapping["violations"] = sorted(
            ({"digest": one.digest, "event": one.event} for one in view.violations),
            key=lambda one: one["digest"],
        )
    if view.findings:
        mapping["findings"] = sorted(
            (one.to_mapping() for one in view.findings), key=lambda one: one["digest"]
        )
    return mapping


def _lineage_mapping(lineage: LineageFacts) -> dict[str, Any]:
    # Left out where there is none: so were the digests of before there could be one.
    repeats = {"repeats": lineage.repeats} if lineage.repeats else {}
    return {
        **repeats,
        "digest": lineage.digest,
        "subject_digest": lineage.subject_digest,
        "origin": lineage.origin.value,
        "legs": [
            {"leg": fact.leg.value, "grade": fact.grade.value, "reason": fact.reason}
            for fact in sorted(
                lineage.legs, key=lambda fact: (fact.leg.value, fact.grade.rank, fact.reason)
            )
        ],
    }


def _item_mappings(items: Sequence[EvidenceItem]) -> list[dict[str, Any]]:
    # Sorted, so that the order in which a database gives rows never moves a digest.
    return sorted(
        (
            {
                "digest": item.digest,
                "kind": item.kind,
                "origin": item.origin,
                "subject_digest": item.subject_digest,
            }
            for item in items
            if item.superseded_by is None
        ),
        key=lambda entry: (str(entry["kind"]), str(entry["digest"])),
    )
