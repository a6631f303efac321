"""The proven stream of one model, read as the record of one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from muniment.attest.predicates import (
    APPROVAL,
    EVIDENCE,
    POLICY,
    PROMOTION,
    REGISTRY_EVENT,
    SLSA_PROVENANCE,
)
from muniment.verify.evidence import Disclosure, ReportEvidence
from muniment.verify.shown import object_in
from muniment.verify.stream import StreamEntry

DISMISSED = "approval.dismissed"
WAIVED, UNWAIVED = "waiver.granted", "waiver.revoked"
# One statement for a model that was there before Muniment, with its versions and aliases.
ADOPTED = "model.adopted"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias that came to name another version, or none; versions as text."""

    entry: StreamEntry
    alias: str
    before: str | None
    after: str | None
    promotion_id: str | None
    rollback_id: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that the stream says, as far as a report on one version shows it.

    Attributes:
        entries: the whole stream, in order.
        about: the statements about the version, in order.
    """

    version_uri: str
    stream: str
    entries: tuple[StreamEntry, ...]
    about: tuple[StreamEntry, ...]
    disclosures: Mapping[str, Disclosure]

    @classmethod
    def of(cls, evidence: ReportEvidence, entries: Sequence[StreamEntry]) -> Self:
        """Read the stream for the version that the report is about."""
        uri = evidence.version_uri
        return cls(
            version_uri=uri,
            stream=evidence.stream,
            entries=tuple(entries),
            about=tuple(
                entry
                for entry in entries
                if _subject_is(entry, uri) or entry.statement.predicate.get("version_uri") == uri
            ),
            disclosures=evidence.disclosures,
        )

    @property
    def version(self) -> str:
        """The version's number, as the registry counts."""
        return self.version_uri.removeprefix(f"{self.stream}/versions/")

    def uri_of(self, version: str) -> str:
        """Return the URI of another version of the same model."""
        return f"{self.stream}/versions/{version}"

    def lineage_of(self, version_uri: str) -> StreamEntry | None:
        """Return a version's newest provenance: it supersedes the ones before."""
        found = [
            entry
            for entry in self.entries
            if entry.statement.predicate_type == SLSA_PROVENANCE and _subject_is(entry, version_uri)
        ]
        return found[-1] if found else None

    def evidence_of(self, version_uri: str) -> list[StreamEntry]:
        """Return the findings about a version, superseded ones too, oldest first."""
        return [
            entry
            for entry in self.entries
            if entry.statement.predicate_type == EVIDENCE and _subject_is(entry, version_uri)
        ]

    def digest_of(self, entry: StreamEntry, version_uri: str) -> str:
        """Return the textual digest that a statement names a version by."""
        return next(
            str(subject.digest)
            for subject in entry.statement.subjects
            if subject.name == version_uri
        )

    @property
    def reviews(self) -> list[StreamEntry]:
        """The signed reviews of the version, dismissed ones too, dismissals not."""
        return [
            entry
            for entry in self._typed(APPROVAL)
            if entry.statement.predicate["event"] != DISMISSED
        ]

    @property
    def dismissed(self) -> frozenset[str]:
        """The commitments to the people whose reviews were dismissed; each is of one review."""
        return frozenset(
            str(entry.statement.predicate["person"]["commitment"])
            for entry in self._typed(APPROVAL)
            if entry.statement.predicate["event"] == DISMISSED
        )

    @property
    def waivers(self) -> list[StreamEntry]:
        """The waivers of gates for the version, in order; those that were taken back too."""
        return self.events(WAIVED)

    def events(self, name: str) -> list[StreamEntry]:
        """Return the registry events of that name about the version, in order."""
        return [
            entry
            for entry in self._typed(REGISTRY_EVENT)
            if entry.statement.predicate["event"] == name
        ]

    @property
    def revoked(self) -> Mapping[str, StreamEntry]:
        """The statements that took a waiver of the version back, by the waiver's digest."""
        return {
            str(object_in(entry.statement.predicate, "detail").get("waiver")): entry
            for entry in self.events(UNWAIVED)
        }

    @property
    def promotion_moves(self) -> list[StreamEntry]:
        """What became of every promotion of the version, in order."""
        return self._typed(PROMOTION)

    @property
    def withdrawn(self) -> frozenset[str]:
        """The promotions that their requesters took back: their decisions no longer stand."""
        latest = {
            str(entry.statement.predicate["promotion_id"]): entry.statement.predicate["status"]
            for entry in self.promotion_moves
        }
        return frozenset(name for name, status in latest.items() if status == "withdrawn")

    @property
    def bindings(self) -> list[StreamEntry]:
        """The statements that bound a policy to the model, in order."""
        return [
            entry
            for entry in self.entries
            if entry.statement.predicate_type == POLICY
            and object_in(entry.statement.predicate, "binding").get("model") == self.stream
        ]

    @property
    def binding(self) -> StreamEntry | None:
        """The statement that bound the policy in force to the model."""
        bound = self.bindings
        return bound[-1] if bound else None

    @property
    def alias_moves(self) -> list[AliasMove]:
        """Every move of every alias of the model, in order."""
        moves: list[AliasMove] = []
        for entry in self.entries:
            if entry.statement.predicate_type != REGISTRY_EVENT:
                continue
            event = str(entry.statement.predicate["event"])
            if event == ADOPTED:
                moves += _adopted_aliases(entry)
            elif event.startswith("alias."):
                moves.append(_alias_move(entry))
        return moves

    def row_of(self, uri: str) -> dict[str, Any]:
        """Return the registry row of the model or a version, as its changes left it."""
        row: dict[str, Any] = {}
        for entry in self.entries:
            predicate = entry.statement.predicate
            if entry.statement.predicate_type != REGISTRY_EVENT:
                continue
            if predicate["event"] == ADOPTED:
                row = dict(self._adopted_row(entry, uri)) or row
            if not _subject_is(entry, uri):
                continue
            _, _, change = str(predicate["event"]).partition(".")
            before, after = object_in(predicate, "before"), object_in(predicate, "after")
            if predicate["event"].startswith("alias."):
                continue
            if change == "appeared":
                row = dict(after)
            elif change in ("changed", "renamed"):
                row = {key: value for key, value in row.items() if key not in before} | dict(after)
        return row

    def _adopted_row(self, entry: StreamEntry, uri: str) -> Mapping[str, Any]:
        """Return what an adoption says of the model or a version; empty where it says nothing."""
        after = object_in(entry.statement.predicate, "after")
        if uri == self.stream:
            return object_in(after, "model")
        rows = after.get("versions")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and self.uri_of(str(row.get("version"))) == uri:
                return row
        return {}

    def _typed(self, predicate_type: str) -> list[StreamEntry]:
        return [entry for entry in self.about if entry.statement.predicate_type == predicate_type]


def _subject_is(entry: StreamEntry, uri: str) -> bool:
    return any(subject.name == uri for subject in entry.statement.subjects)


def _alias_move(entry: StreamEntry) -> AliasMove:
    predicate = entry.statement.predicate
    detail = object_in(predicate, "detail")
    promotion, rollback = detail.get("promotion_id"), detail.get("rollback_id")
    return AliasMove(
        entry=entry,
        alias=str(detail.get("alias")),
        before=_number(object_in(predicate, "before").get("version")),
        after=_number(object_in(predicate, "after").get("version")),
        promotion_id=None if promotion is None else str(promotion),
        rollback_id=None if rollback is None else str(rollback),
    )


def _adopted_aliases(entry: StreamEntry) -> list[AliasMove]:
    aliases = object_in(object_in(entry.statement.predicate, "after"), "aliases")
    return [
        AliasMove(entry, alias, None, _number(number), promotion_id=None, rollback_id=None)
        for alias, number in sorted(aliases.items())
    ]


def _number(version: object) -> str | None:
    return None if version is None else str(version)
