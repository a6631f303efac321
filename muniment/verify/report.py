"""Verify a signed report, offline, trusting nothing but the log's verifier key."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from muniment.attest.checkpoint import Checkpoint, verify_checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.keyring import KeyEntry
from muniment.verify.dossier import require_agreement
from muniment.verify.errors import ReportError
from muniment.verify.evidence import ReportEvidence, parse_evidence
from muniment.verify.findings import Findings, Verification
from muniment.verify.log import (
    EnrolledKeys,
    ProvenEntry,
    enrolled_keys,
    prove_entry,
    require_readable_statements,
    verify_statement_entry,
)
from muniment.verify.pdf import SignedPdf, open_signed_pdf, read_pdf
from muniment.verify.pdf_chain import require_chain
from muniment.verify.people import require_disclosures
from muniment.verify.stream import StreamEntry, require_whole_stream

T = TypeVar("T")

LIMITS: Final = (
    (
        "Whether statements were added to the model's stream after this report's last one: one "
        "report shows no later ones. Compare with a newer checkpoint of the log."
    ),
    (
        "Whether the log showed others a different history: keep this report's checkpoint and "
        "ask the log for a consistency proof from it."
    ),
    (
        "Whether the signing times are true: they are the signer's own words, without an "
        "independent timestamp."
    ),
    (
        "Whether the printed pages say what the embedded data says: both are under the one "
        "signature, and a person reads the pages."
    ),
)


def verify_report(path: str | Path, vkey: str, ca: str | Path | None = None) -> Verification:
    """Look at everything a report claims and say what holds.

    Reads the file and, with ``ca``, the certificates; nothing else, and never the network. What
    is wrong with the report is a finding, not an exception.

    Args:
        path: the PDF.
        vkey: the log's verifier key, from anywhere but the report.
        ca: PEM certificates, one of which the signer's may chain to instead of being enrolled
            in the log.
    """
    findings = Findings()
    facts: dict[str, object] = {}
    pdf: SignedPdf | None = None
    evidence: ReportEvidence | None = None
    checkpoint: Checkpoint | None = None

    with findings.look_at(
        "pdf.signature", "The PDF has one signature, over every byte, and is unchanged since"
    ) as note:
        pdf = open_signed_pdf(read_pdf(path))
        note.detail = f"{pdf.size_bytes} bytes, signed as {pdf.signer}, at {pdf.signed_at}"
        facts |= {"pdf_sha256": pdf.sha256, "signer": pdf.signer, "signed_at": pdf.signed_at}
    with findings.look_at("evidence.format", "The embedded evidence can be read") as note:
        evidence = parse_evidence(_known(pdf, "the PDF").attachment)
        note.detail = f"{len(evidence.entries)} log entries about {evidence.version_uri}"
    with findings.look_at("log.checkpoint", "The log's key signed the checkpoint") as note:
        checkpoint = verify_checkpoint(_known(evidence, "the evidence").checkpoint, vkey)
        note.detail = f"{checkpoint.origin} at {checkpoint.tree_size} entries"
        facts |= {"origin": checkpoint.origin, "tree_size": checkpoint.tree_size}

    proven = _look_at_entries(findings, evidence, checkpoint)
    keys = _look_at_keys(findings, proven)
    _look_at_certificate(findings, pdf, keys, ca)
    are_signed = _look_at_statements(findings, proven, keys)
    limits = _look_at_model(
        findings, facts, evidence, checkpoint, proven if are_signed else None, keys, vkey
    )
    return Verification(str(path), tuple(findings.made), (*LIMITS, *limits), facts)


def _look_at_entries(
    findings: Findings, evidence: ReportEvidence | None, checkpoint: Checkpoint | None
) -> list[ProvenEntry] | None:
    with findings.look_at(
        "log.inclusion", "Every embedded statement stands in the log under that checkpoint"
    ) as note:
        tree = _known(checkpoint, "the checkpoint")
        carried = _known(evidence, "the evidence")
        if not carried.entries:
            raise ReportError("the report holds no log entry", code="report.no_entries")
        proven = [prove_entry(entry, tree, carried.checkpoint) for entry in carried.entries]
        note.detail = f"{len(proven)} inclusion proofs"
        return proven
    return None


def _look_at_keys(findings: Findings, proven: list[ProvenEntry] | None) -> EnrolledKeys | None:
    with findings.look_at("log.keys", "The keys in use are enrolled in the log") as note:
        keys = enrolled_keys(_known(proven, "the log entries"))
        note.detail = ", ".join(f"{key.use} {key.keyid[:16]}…" for key in keys.by_keyid.values())
        return keys
    return None


def _look_at_certificate(
    findings: Findings, pdf: SignedPdf | None, keys: EnrolledKeys | None, ca: str | Path | None
) -> None:
    title = "The signer's certificate is enrolled in the log"
    if ca is not None:
        title += f", or chains to {ca}"
    with findings.look_at("pdf.certificate", title) as note:
        signed = _known(pdf, "the PDF")
        if signed.has_other_certificates and ca is None:
            raise ReportError(
                "the signature carries certificates beside the signer's: give their root as --ca",
                code="pdf.other_certificates",
            )
        issuer = (
            require_chain(signed.embedded, ca)
            if ca is not None and signed.has_other_certificates
            else None
        )
        if keys is not None and _enrolled_certificate(signed, keys) is not None:
            note.detail = f"certificate {signed.certificate_sha256[:16]}… is enrolled"
        elif ca is not None:
            note.detail = f"issued by {issuer or require_chain(signed.embedded, ca)}"
        else:
            _known(keys, "the keys")
            raise ReportError(
                f"no key statement in the log enrols certificate "
                f"{signed.certificate_sha256[:16]}…, and no --ca was given",
                code="pdf.certificate_unknown",
            )


def _look_at_statements(
    findings: Findings, proven: list[ProvenEntry] | None, keys: EnrolledKeys | None
) -> bool:
    with findings.look_at(
        "statements.signatures",
        "Every statement is signed by an enrolled key that may sign its type",
    ) as note:
        enrolled = _known(keys, "the keys")
        signers = {verify_statement_entry(entry, enrolled) for entry in _known(proven, "entries")}
        note.detail = f"signed by {', '.join(f'{keyid[:16]}…' for keyid in sorted(signers))}"
    are_signed = findings.made[-1].holds
    with findings.look_at("statements.shape", "Every statement has the shape of its type") as note:
        count = require_readable_statements(_known(proven, "the log entries"))
        note.detail = f"{count} statements"
    return are_signed and findings.made[-1].holds


def _look_at_model(
    findings: Findings,
    facts: dict[str, object],
    evidence: ReportEvidence | None,
    checkpoint: Checkpoint | None,
    proven: list[ProvenEntry] | None,
    keys: EnrolledKeys | None,
    vkey: str,
) -> tuple[str, ...]:
    """Look at the stream and at what is shown of it; return what the latter leaves unproven."""
    stream: list[StreamEntry] | None = None
    with findings.look_at(
        "stream.complete", "The model's statements follow one another without a gap or a fork"
    ) as note:
        entries = _stream_entries(_known(proven, "the statements"))
        carried = _known(evidence, "the evidence")
        stream = require_whole_stream(carried.stream, entries)
        note.detail = f"{len(stream)} statements, 0 to {len(stream) - 1}"
        facts |= {
            "version_uri": carried.version_uri,
            "stream": carried.stream,
            "stream_length": len(stream),
        }
    with findings.look_at(
        "people.disclosures", "The disclosed names and reasons are those that were signed"
    ) as note:
        opened = require_disclosures(
            _known(evidence, "the evidence").disclosures, _known(stream, "the stream")
        )
        note.detail = (
            f"{opened.people} names and {opened.texts} texts opened, "
            f"{opened.closed} commitments stay closed"
        )
    with findings.look_at(
        "dossier.agreement", "What the report's data shows agrees with the signed statements"
    ) as note:
        agreed = require_agreement(
            _known(evidence, "the evidence"),
            _known(stream, "the stream"),
            _known(checkpoint, "the checkpoint"),
            vkey,
            _known(keys, "the keys"),
        )
        note.detail = (
            f"decision {agreed.decision}; {agreed.evidence} findings, {agreed.approvals} reviews, "
            f"{agreed.promotions} promotions, {agreed.events} events"
        )
        return agreed.limits
    return ()


def _stream_entries(proven: list[ProvenEntry]) -> list[StreamEntry]:
    return [
        StreamEntry(entry.leaf_index, entry.sha256, entry.payload_sha256, entry.statement)
        for entry in proven
        if entry.statement is not None and entry.statement.position is not None
    ]


def _enrolled_certificate(pdf: SignedPdf, keys: EnrolledKeys) -> KeyEntry | None:
    return next(
        (key for key in keys.of_use("pdf") if key.certificate_sha256 == pdf.certificate_sha256),
        None,
    )


def _known(value: T | None, what: str) -> T:
    """Return ``value``, or say that this could not be looked at because an earlier step failed."""
    if value is None:
        raise AttestError(f"not looked at: {what} did not hold", code="verify.not_reached")
    return value
