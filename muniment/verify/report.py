"""Verify a signed report, offline, trusting nothing but the log's verifier key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.keyring import KeyEntry
from muniment.verify.dossier import require_agreement
from muniment.verify.entries import look_at_entries, look_at_keys, look_at_statements
from muniment.verify.errors import ReportError
from muniment.verify.evidence import ReportEvidence, parse_evidence
from muniment.verify.findings import Findings, Verification, known
from muniment.verify.log import EnrolledKeys, ProvenEntry
from muniment.verify.passkeys import (
    IN_WHOSE_HANDS,
    REMOVED_BEFORE,
    credential_subject,
    require_passkeys,
    speaks_of_passkeys,
)
from muniment.verify.pdf import SignedPdf, open_signed_pdf, read_pdf
from muniment.verify.pdf_chain import require_chain
from muniment.verify.people import require_disclosures
from muniment.verify.stream import StreamEntry, require_whole_stream
from muniment.verify.tail import look_at_tail
from muniment.verify.trust import LogTrust
from muniment.verify.whole_log import Kept, LogQuestion

ALONE: Final = (
    (
        "Whether statements were added to the model's stream after this report's last one, or an "
        "omitted tail stood there already: one report shows no later ones. Give the log as --log."
    ),
    (
        "Whether the log showed others a different history: keep this report's checkpoint and "
        "ask the log for a consistency proof from it."
    ),
)
LIMITS: Final = (
    (
        "Whether the signing times are true: they are the signer's own words, without an "
        "independent timestamp."
    ),
    (
        "Whether the printed pages say what the embedded data says: both are under the one "
        "signature, and a person reads the pages."
    ),
)


def verify_report(
    path: str | Path,
    trust: LogTrust | str,
    ca: str | Path | None = None,
    *,
    log: LogQuestion | None = None,
    kept: Sequence[Kept] = (),
) -> Verification:
    """Look at everything a report claims and say what holds.

    Reads the file, with ``ca`` the certificates, and with ``log`` that log; nothing else. What is
    wrong with the report is a finding, not an exception.

    Args:
        path: the PDF.
        trust: what the auditor brings, or the log's verifier key alone; from anywhere but the
            report.
        ca: PEM certificates, one of which the signer's may chain to instead of being enrolled
            in the log.
        log: a whole log that the report is held against.
        kept: further checkpoints that the log must begin with.

    Raises:
        NoteError: ``trust`` is text and not a log's verifier key.
    """
    trusted = LogTrust.of_keys([trust]) if isinstance(trust, str) else trust
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
        evidence = parse_evidence(known(pdf, "the PDF").attachment)
        note.detail = f"{len(evidence.entries)} log entries about {evidence.version_uri}"
    with findings.look_at("log.checkpoint", "The log's key signed the checkpoint") as note:
        carried = known(evidence, "the evidence")
        checkpoint, note.detail = trusted.open_checkpoint(carried.checkpoint)
        facts |= {"origin": checkpoint.origin, "tree_size": checkpoint.tree_size}

    proven = look_at_entries(findings, evidence, checkpoint)
    keys = look_at_keys(findings, proven)
    if keys is not None and checkpoint is not None:
        facts["log_vkeys"] = [key.vkey(checkpoint.origin) for key in keys.of_use("log")]
    _look_at_certificate(findings, pdf, keys, ca)
    are_signed = look_at_statements(findings, proven, keys)
    seen = _look_at_model(
        findings, facts, evidence, checkpoint, proven if are_signed else None, keys, trusted
    )
    if log is None:
        limits = (*ALONE, *LIMITS, *seen.limits)
        if IN_WHOSE_HANDS in limits:
            limits += (REMOVED_BEFORE,)
    else:
        own = [] if evidence is None else [_own_checkpoint(evidence)]
        of_log = look_at_tail(
            findings,
            log,
            trusted,
            [*own, *kept],
            checkpoint=checkpoint,
            stream=None if evidence is None else evidence.stream,
            entries=seen.stream,
            credentials={
                entry.leaf_index: subject
                for entry in proven or ()
                if (subject := credential_subject(entry))
            },
        )
        limits = (*LIMITS, *seen.limits, *of_log)
    return Verification(
        str(path),
        tuple(findings.made),
        limits,
        facts,
        log=None if log is None else log.place,
    )


@dataclass(frozen=True, slots=True)
class _SeenModel:
    """The stream where it holds, and what the dossier shows beside the statements."""

    stream: list[StreamEntry] | None
    limits: tuple[str, ...] = ()


def _own_checkpoint(evidence: ReportEvidence) -> Kept:
    return Kept("log.continues", "the report's checkpoint", evidence.checkpoint)


def _look_at_certificate(
    findings: Findings, pdf: SignedPdf | None, keys: EnrolledKeys | None, ca: str | Path | None
) -> None:
    title = "The signer's certificate is enrolled in the log"
    if ca is not None:
        title += f", or chains to {ca}"
    with findings.look_at("pdf.certificate", title) as note:
        signed = known(pdf, "the PDF")
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
            known(keys, "the keys")
            raise ReportError(
                f"no key statement in the log enrols certificate "
                f"{signed.certificate_sha256[:16]}…, and no --ca was given",
                code="pdf.certificate_unknown",
            )


def _look_at_model(
    findings: Findings,
    facts: dict[str, object],
    evidence: ReportEvidence | None,
    checkpoint: Checkpoint | None,
    proven: list[ProvenEntry] | None,
    keys: EnrolledKeys | None,
    trust: LogTrust,
) -> _SeenModel:
    """Look at the stream and at what is shown of it."""
    stream: list[StreamEntry] | None = None
    with findings.look_at(
        "stream.complete", "The model's statements follow one another without a gap or a fork"
    ) as note:
        entries = _stream_entries(known(proven, "the statements"))
        carried = known(evidence, "the evidence")
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
            known(evidence, "the evidence").disclosures, known(stream, "the stream")
        )
        note.detail = (
            f"{opened.people} names and {opened.texts} texts opened, "
            f"{opened.closed} commitments stay closed"
        )
    limits: tuple[str, ...] = ()
    if stream is not None and speaks_of_passkeys(stream):
        limits = (IN_WHOSE_HANDS,)
        with findings.look_at(
            "approvals.passkeys",
            "Passkeys signed what policies ask them to sign, each its owner's own",
        ) as note:
            note.detail = require_passkeys(stream, known(proven, "the statements")).words
    with findings.look_at(
        "dossier.agreement", "What the report's data shows agrees with the signed statements"
    ) as note:
        agreed = require_agreement(
            known(evidence, "the evidence"),
            known(stream, "the stream"),
            known(checkpoint, "the checkpoint"),
            trust.vkeys,
            known(keys, "the keys"),
        )
        note.detail = (
            f"decision {agreed.decision}; {agreed.evidence} findings, {agreed.approvals} reviews, "
            f"{agreed.promotions} promotions, {agreed.events} events"
        )
        limits += agreed.limits
    return _SeenModel(stream, limits)


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
