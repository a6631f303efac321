"""What the pages show against what was signed: the dossier repeats the statements, or fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muniment.attest.digest import Digest
from muniment.attest.errors import DigestError
from muniment.attest.note import Checkpoint
from muniment.attest.predicates import APPROVAL, EVIDENCE, PROMOTION, SLSA_PROVENANCE
from muniment.verify.errors import ReportError
from muniment.verify.evidence import Disclosure, PersonDisclosure, ReportEvidence, TextDisclosure
from muniment.verify.stream import StreamEntry


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much of the dossier was found again in signed statements."""

    evidence: int
    approvals: int
    promotions: int
    decision: str


def require_agreement(
    evidence: ReportEvidence,
    entries: Sequence[StreamEntry],
    checkpoint: Checkpoint,
    vkey: str,
) -> Agreement:
    """Accept a dossier only if nothing it shows contradicts the stream's statements.

    Args:
        entries: the whole stream, in order.

    Raises:
        ReportError: another version, stream, checkpoint or key than the report's; lineage,
            evidence, an approval, a promotion or a decision that differs from its statement or
            has none; or a review, a refusal above all, that the dossier leaves out.
    """
    dossier = evidence.dossier
    _same("dossier.version_uri", dossier.get("version_uri"), evidence.version_uri)
    _same("dossier.stream", dossier.get("stream"), evidence.stream)
    if not evidence.version_uri.startswith(f"{evidence.stream}/versions/"):
        raise _differs("version_uri", "the version is not one of the stream's model")
    _log(dossier.get("log"), evidence, entries, checkpoint, vkey)
    about = [
        entry
        for entry in entries
        if any(subject.name == evidence.version_uri for subject in entry.statement.subjects)
        or entry.statement.predicate.get("version_uri") == evidence.version_uri
    ]
    by_leaf = {entry.leaf_index: entry for entry in entries}
    _lineage(dossier.get("lineage"), evidence.version_uri, by_leaf)
    items = _objects(dossier, "evidence")
    for place, item in enumerate(items):
        _evidence(f"dossier.evidence[{place}]", item, evidence.version_uri, by_leaf)
    reviews = _objects(dossier, "approvals")
    _approvals(reviews, about, by_leaf, evidence.disclosures)
    promotions = _objects(dossier, "promotions")
    _promotions(promotions, about)
    decision = _decision(dossier.get("decision"), about)
    return Agreement(len(items), len(reviews), len(promotions), decision)


def _log(
    shown: object,
    evidence: ReportEvidence,
    entries: Sequence[StreamEntry],
    checkpoint: Checkpoint,
    vkey: str,
) -> None:
    if not isinstance(shown, dict):
        raise _differs("log", "the dossier names no log state")
    expected = {
        "origin": checkpoint.origin,
        "vkey": vkey,
        "checkpoint": evidence.checkpoint.decode("utf-8", "replace"),
        "tree_size": checkpoint.tree_size,
        "root_hash": checkpoint.root_hash.hex(),
        "stream_length": len(entries),
    }
    for name, value in expected.items():
        if shown.get(name) is not None or name == "checkpoint":
            _same(f"dossier.log.{name}", shown.get(name), value)


def _lineage(shown: object, version_uri: str, by_leaf: Mapping[int, StreamEntry]) -> None:
    if shown is None:
        return
    if not isinstance(shown, dict):
        raise _differs("lineage", "not an object")
    entry = _entry("dossier.lineage", shown, by_leaf, SLSA_PROVENANCE)
    digests = [
        subject.digest for subject in entry.statement.subjects if subject.name == version_uri
    ]
    if not digests:
        raise _differs("lineage", f"leaf {entry.leaf_index} is about another version")
    if shown.get("subject_digest") is not None:
        _same_digest("dossier.lineage.subject_digest", shown["subject_digest"], digests[0])


def _evidence(
    path: str, shown: Mapping[str, Any], version_uri: str, by_leaf: Mapping[int, StreamEntry]
) -> None:
    entry = _entry(path, shown, by_leaf, EVIDENCE)
    statement = entry.statement
    if version_uri not in [subject.name for subject in statement.subjects]:
        raise _differs(path, f"leaf {entry.leaf_index} is about another version")
    for name in ("kind", "origin", "conclusion", "reasons", "measurements"):
        _same(f"{path}.{name}", shown.get(name), statement.predicate.get(name))
    if shown.get("criteria") is not None:
        _same(f"{path}.criteria", shown["criteria"], statement.predicate.get("criteria"))


def _approvals(
    shown: Sequence[Mapping[str, Any]],
    about: Sequence[StreamEntry],
    by_leaf: Mapping[int, StreamEntry],
    disclosures: Mapping[str, Disclosure],
) -> None:
    listed: set[int] = set()
    for place, item in enumerate(shown):
        path = f"dossier.approvals[{place}]"
        entry = _entry(path, item, by_leaf, APPROVAL)
        if entry not in about:
            raise _differs(path, f"leaf {entry.leaf_index} is a review of another version")
        predicate = entry.statement.predicate
        for name in ("verdict", "meaning", "role", "promotion_id"):
            if name != "promotion_id" or item.get(name) is not None:
                _same(f"{path}.{name}", item.get(name), predicate.get(name))
        _same(f"{path}.signed_at", item.get("signed_at"), predicate.get("at"))
        _same_digest(
            f"{path}.evidence_digest", item.get("evidence_digest"), predicate["evidence_digest"]
        )
        person = disclosures.get(str(predicate["person"]["commitment"]))
        if isinstance(person, PersonDisclosure):
            _same(f"{path}.printed_name", item.get("printed_name"), person.printed_name)
        reason = disclosures.get(str(predicate.get("reason_commitment")))
        if isinstance(reason, TextDisclosure) and item.get("reason") is not None:
            _same(f"{path}.reason", item["reason"], reason.text)
        listed.add(entry.leaf_index)
    for entry in about:
        is_review = entry.statement.predicate_type == APPROVAL
        if not is_review or entry.statement.predicate["event"] == "approval.dismissed":
            continue
        if entry.leaf_index not in listed:
            verdict = entry.statement.predicate["verdict"]
            raise _differs(
                "approvals",
                f"the pages leave out the review ({verdict}) at leaf {entry.leaf_index}",
            )


def _promotions(shown: Sequence[Mapping[str, Any]], about: Sequence[StreamEntry]) -> None:
    latest = {
        str(entry.statement.predicate["promotion_id"]): entry.statement.predicate
        for entry in about
        if entry.statement.predicate_type == PROMOTION
    }
    for place, item in enumerate(shown):
        path = f"dossier.promotions[{place}]"
        predicate = latest.pop(str(item.get("id")), None)
        if predicate is None:
            raise _differs(path, "no statement is about this promotion")
        for name in ("alias", "status"):
            _same(f"{path}.{name}", item.get(name), predicate.get(name))
    if latest:
        raise _differs("promotions", f"the pages leave out promotion {next(iter(latest))}")


def _decision(shown: object, about: Sequence[StreamEntry]) -> str:
    """Say what the shown decision is; one that claims a place in the log must be the one there."""
    if shown is None:
        return "none shown"
    if not isinstance(shown, dict):
        raise _differs("decision", "not an object")
    signed = [
        entry
        for entry in about
        if entry.statement.predicate_type == PROMOTION
        and entry.statement.predicate.get("alias") == shown.get("alias")
        and isinstance(entry.statement.predicate.get("decision"), dict)
    ]
    last = signed[-1] if signed else None
    if shown.get("leaf_index") is None:
        # Evaluated when the report was made, on what was known then.
        said = (
            "no decision was signed"
            if last is None
            else f"the last one signed, at leaf {last.leaf_index}, is {_verdict(last)}"
        )
        return f"{shown.get('verdict')} as a preview that stands in no statement; {said}"
    if last is None:
        raise _differs("decision", "no statement holds a decision about this alias")
    _same("dossier.decision.leaf_index", shown["leaf_index"], last.leaf_index)
    _same("dossier.decision.verdict", shown.get("verdict"), _verdict(last))
    judged = last.statement.predicate["decision"].get("evidence_digest")
    # A decision without a policy judged no evidence, and its digest is empty.
    if shown.get("evidence_digest") and judged:
        _same_digest("dossier.decision.evidence_digest", shown["evidence_digest"], judged)
    return f"{_verdict(last)}, as signed at leaf {last.leaf_index}"


def _verdict(entry: StreamEntry) -> object:
    return entry.statement.predicate["decision"].get("verdict")


def _entry(
    path: str,
    shown: Mapping[str, Any],
    by_leaf: Mapping[int, StreamEntry],
    predicate_type: str,
) -> StreamEntry:
    leaf_index = shown.get("leaf_index")
    entry = by_leaf.get(leaf_index) if type(leaf_index) is int else None
    if entry is None:
        raise ReportError(
            f"{path} names no entry of the model's stream (leaf {leaf_index})",
            code="dossier.unsigned",
        )
    _same(f"{path}: type of leaf {leaf_index}", predicate_type, entry.statement.predicate_type)
    if shown.get("digest") is not None:
        digest = _digest(f"{path}.digest", shown["digest"])
        # Either names the same bytes: the envelope's own, or those of its payload.
        if digest.hex not in (entry.sha256, entry.payload_sha256):
            raise _differs(f"{path}.digest", f"not that of leaf {leaf_index}")
    return entry


def _objects(dossier: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = dossier.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _differs(name, "not a list of objects")
    return items


def _same(path: str, shown: object, signed: object) -> None:
    # True == 1 to Python; a reader sees two different things.
    if shown != signed or isinstance(shown, bool) != isinstance(signed, bool):
        raise ReportError(
            f"{path} shows {str(shown)[:80]!r}, signed is {str(signed)[:80]!r}",
            code="dossier.contradicts",
        )


def _same_digest(path: str, shown: object, signed: object) -> None:
    if _digest(path, shown).hex != _digest(path, signed).hex:
        raise ReportError(
            f"{path} shows another digest than was signed", code="dossier.contradicts"
        )


def _digest(path: str, value: object) -> Digest:
    """Read a digest in any of its three spellings: DigestSet, ``algorithm:hex``, bare hex."""
    try:
        if isinstance(value, Digest):
            return value
        if isinstance(value, dict):
            return Digest.from_set(value)
        text = str(value)
        return Digest.parse(text) if ":" in text else Digest("sha256", text)
    except DigestError as error:
        raise ReportError(f"{path}: {error.message}", code="dossier.malformed") from error


def _differs(part: str, why: str) -> ReportError:
    return ReportError(f"{part}: {why}", code="dossier.contradicts")
