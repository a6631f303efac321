"""Whether a folder is the model that a certificate says was promoted to an alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from muniment.attest.bundle import Bundle, parse_bundle
from muniment.attest.checkpoint import Checkpoint
from muniment.attest.digest import Digest, dir_hash_of
from muniment.attest.predicates import CERTIFICATE, VERIFICATION_SUMMARY
from muniment.attest.statement import Statement, parse_time
from muniment.attest.tree import hash_tree
from muniment.verify.entries import look_at_entries, look_at_keys, look_at_statements
from muniment.verify.errors import AdmissionError
from muniment.verify.findings import Findings, Verification, known
from muniment.verify.trust import LogTrust

# What MLflow adds to a folder that it downloads as models:/name/version: which version it was.
DOWNLOAD_NOTE: Final = "registered_model_meta"
# Clocks of two machines differ; a certificate is used seconds after it was issued.
CLOCK_SKEW: Final = timedelta(minutes=5)
STILL_HELD: Final = (
    "Whether the alias has moved on since, or the model was withdrawn: this was so when the "
    "certificate was issued. A certificate ends, so fetch it anew."
)
WHICH_MODEL: Final = (
    "Whether this is the model that you mean: give its name as --model, or a folder and bundle of "
    "another promoted model pass as well."
)
LATER: Final = "Whether the files change after they were looked at: serve from where nobody writes."


@dataclass(frozen=True, slots=True)
class AdmissionQuestion:
    """What is about to be served, as what, and when.

    Attributes:
        alias: letter case makes no difference.
        model: the registered model's name; None asks for none.
    """

    folder: str | Path
    alias: str
    as_of: datetime
    model: str | None = None


@dataclass(frozen=True, slots=True)
class _Certificate:
    """A certificate's own words, of a statement that was proven before."""

    subject: Digest
    issued_at: datetime
    result: str
    terms: Mapping[str, Any]

    @classmethod
    def of(cls, statement: Statement | None) -> _Certificate:
        if statement is None or statement.predicate_type != VERIFICATION_SUMMARY:
            what = "no statement" if statement is None else statement.predicate_type[:200]
            raise AdmissionError(
                f"the bundle's entry is {what}, not a certificate: download the certificate of the "
                "promotion",
                code="admission.not_a_certificate",
            )
        if len(statement.subjects) != 1:
            raise AdmissionError("the certificate is about several things")
        (subject,) = statement.subjects
        predicate = statement.predicate
        if subject.name != predicate["resourceUri"]:
            raise AdmissionError("the certificate's subject is not the version that it names")
        return cls(
            subject.digest,
            parse_time(predicate["timeVerified"]),
            predicate["verificationResult"],
            predicate[CERTIFICATE],
        )


def verify_admission(
    question: AdmissionQuestion, name: str, content: bytes, trust: LogTrust
) -> Verification:
    """Look at a folder and the bundle of a certificate, and say what holds.

    Args:
        name: of the bundle, for people.
        content: of the bundle.
    """
    findings = Findings()
    certificate: _Certificate | None = None
    entry = _look_at_bundle(findings, content, trust)
    with findings.look_at("admission.certificate", "It is a certificate of a promotion") as note:
        certificate = _Certificate.of(known(entry, "the bundle"))
        terms = certificate.terms
        note.detail = f"version {terms['version']} of {terms['model']}, as {terms['alias']}"
    _look_at_terms(findings, question, certificate)
    with findings.look_at(
        "admission.folder", "The folder holds exactly the files that were promoted"
    ) as note:
        note.detail = _require_folder(question.folder, known(certificate, "the certificate"))
    limits = [STILL_HELD, LATER]
    if question.model is None:
        limits.insert(0, WHICH_MODEL)
    facts: dict[str, object] = {}
    if certificate is not None:
        facts = {**certificate.terms, "subject": str(certificate.subject)}
    return Verification(name, tuple(findings.made), tuple(limits), facts, kind="admission")


def _look_at_bundle(findings: Findings, content: bytes, trust: LogTrust) -> Statement | None:
    """Return the statement that was asked for, if all that its signature rests on holds."""
    bundle: Bundle | None = None
    checkpoint: Checkpoint | None = None
    with findings.look_at("bundle.format", "The bundle can be read"):
        bundle = parse_bundle(content)
    with findings.look_at("log.checkpoint", "The log's key signed the checkpoint") as note:
        checkpoint, note.detail = trust.open_checkpoint(known(bundle, "the bundle").checkpoint)
    proven = look_at_entries(findings, bundle, checkpoint)
    keys = look_at_keys(findings, proven)
    if not look_at_statements(findings, proven, keys) or proven is None:
        return None
    return proven[0].statement


def _look_at_terms(
    findings: Findings, question: AdmissionQuestion, certificate: _Certificate | None
) -> None:
    with findings.look_at("admission.result", "The policy was satisfied") as note:
        note.detail = _require_passed(known(certificate, "the certificate"))
    with findings.look_at("admission.alias", "It was promoted to this alias") as note:
        terms = known(certificate, "the certificate").terms
        note.detail = _require_named("alias", terms["alias"], question.alias.lower())
    if question.model is not None:
        with findings.look_at("admission.model", "It is of this model") as note:
            terms = known(certificate, "the certificate").terms
            note.detail = _require_named("model", terms["model"], question.model)
    with findings.look_at("admission.term", "The certificate has not ended") as note:
        note.detail = _require_current(known(certificate, "the certificate"), question.as_of)


def _require_passed(certificate: _Certificate) -> str:
    if certificate.result != "PASSED":
        raise AdmissionError(
            f"the verification came to {certificate.result}", code="admission.not_passed"
        )
    return certificate.result


def _require_named(what: str, certified: str, asked: str) -> str:
    if certified != asked:
        raise AdmissionError(
            f"it was promoted as the {what} {certified}, not {asked}", code=f"admission.{what}"
        )
    return certified


def _require_current(certificate: _Certificate, as_of: datetime) -> str:
    ends_at = parse_time(certificate.terms["expires_at"])
    if as_of >= ends_at:
        raise AdmissionError(
            f"it ended at {_moment(ends_at)}: what was judged is too old for the policy. Have the "
            "version judged and promoted anew",
            code="admission.ended",
        )
    if as_of < certificate.issued_at - CLOCK_SKEW:
        raise AdmissionError(
            f"it was issued at {_moment(certificate.issued_at)}, which is yet to come: look at "
            "the clock, or at --as-of",
            code="admission.not_yet",
        )
    return f"from {_moment(certificate.issued_at)} until {_moment(ends_at)}"


def _require_folder(folder: str | Path, certificate: _Certificate) -> str:
    subject = certificate.subject
    if subject.algorithm != "dirHash":
        raise AdmissionError(
            "the certified version has no files, so no folder can be it", code="admission.no_files"
        )
    files = {name: found.sha256 for name, found in hash_tree(folder).items()}
    found = dir_hash_of(files)
    if found == subject:
        return str(found)
    # Only at the top, only this name, and only where the rest is exactly what was promoted.
    without = {name: sha256 for name, sha256 in files.items() if name != DOWNLOAD_NOTE}
    if len(without) < len(files) and dir_hash_of(without) == subject:
        return f"{subject}, {DOWNLOAD_NOTE} aside, which MLflow adds to what it downloads"
    raise AdmissionError(
        f"it is {found}, and {subject} was promoted: a file differs, is missing or was added",
        code="admission.other_files",
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
