"""What the page of one entry shows: its statement, its place, and what proves both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from audits.domain.log import Event
from audits.domain.log_wording import refusal_words
from audits.models import Disclosure, LogCheckpoint, LogEntry
from audits.selectors import latest_checkpoint, prove_entries
from audits.web.log_pages import leaf_index_of, refused_code_of, state_of, subject_of
from audits.web.names import actor_words, is_registry_subject, people_names
from muniment.attest.bundle import LoggedEntry, build_bundle
from muniment.attest.envelope import Envelope, parse_envelope
from muniment.attest.errors import AttestError, StatementError
from muniment.attest.statement import MAX_STATEMENT_BYTES
from muniment.attest.strict_json import parse_object

# Whoever wrote an entry that the log refuses may have written anything.
SHOWN_BYTES = 4000
_STATEMENT_KEY = "key:statement:"


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry, its decoded statement and what proves it.

    Attributes:
        statement: None where the bytes hold none; then `unreadable` says why.
        mlflow_user: whose change in MLflow was refused; empty where that was erased, None where the
            statement commits to nobody.
        raw: the beginning of bytes that cannot be read, for a person to look at.
        key_entries: of each enrolled statement key the digest of the entry that enrols it.
    """

    entry: LogEntry
    subject: str
    links_to_registry: bool
    actor: str
    state: str
    refused_code: str
    refusal: str
    statement: Mapping[str, Any] | None
    mlflow_user: str | None
    unreadable: str
    raw: str
    keyids: tuple[str, ...]
    size_bytes: int
    leaf_index: int | None
    checkpoint: LogCheckpoint | None
    root_hash: str
    is_included: bool
    proof: str
    previous_sha256: str
    next_sha256: str
    key_entries: tuple[tuple[str, str], ...]


def entry_page(entry: LogEntry) -> EntryPage:
    """Decode an entry and prove that it stands under the newest checkpoint."""
    envelope = bytes(entry.envelope)
    parsed, statement, unreadable = _read(envelope)
    checkpoint = latest_checkpoint()
    proven = prove_entries([entry], checkpoint) if checkpoint else []
    names = people_names([entry.actor_id, entry.subject_name.removeprefix("person:")])
    previous, following = _neighbours(entry)
    code = refused_code_of(entry)
    return EntryPage(
        entry=entry,
        subject=subject_of(entry.subject_name, names),
        links_to_registry=is_registry_subject(entry.subject_name),
        actor=actor_words(entry.actor_kind, entry.actor_id, names),
        state=state_of(entry, checkpoint),
        refused_code=code,
        refusal=refusal_words(code) if code else "",
        statement=statement,
        mlflow_user=_mlflow_user(entry, statement),
        unreadable=unreadable,
        raw=envelope[:SHOWN_BYTES].decode("utf-8", "backslashreplace") if unreadable else "",
        keyids=tuple(signature.keyid for signature in parsed.signatures) if parsed else (),
        size_bytes=len(envelope),
        leaf_index=proven[0].leaf_index if proven else leaf_index_of(entry),
        checkpoint=checkpoint,
        root_hash=bytes(checkpoint.root_hash).hex() if checkpoint else "",
        is_included=bool(proven),
        proof=proven[0].proof.decode() if proven else "",
        previous_sha256=previous,
        next_sha256=following,
        key_entries=_key_entries() if proven else (),
    )


def _read(envelope: bytes) -> tuple[Envelope | None, Mapping[str, Any] | None, str]:
    try:
        parsed = parse_envelope(envelope)
    except AttestError as error:
        return None, None, error.message
    try:
        statement = parse_object(
            parsed.payload,
            error=StatementError,
            what="the payload",
            max_bytes=MAX_STATEMENT_BYTES,
        )
    except AttestError as error:
        return parsed, None, error.message
    return parsed, statement, ""


def _mlflow_user(entry: LogEntry, statement: Mapping[str, Any] | None) -> str | None:
    """Open the commitment of a refusal, by a row that is no person's of ours and no reason."""
    if entry.event != Event.CHANGE_REFUSED or statement is None:
        return None
    # Whoever wrote an entry that the log refuses may have left out, or replaced, any of it.
    commitment: object = statement
    for member in ("predicate", "detail", "user_commitment"):
        commitment = commitment.get(member) if isinstance(commitment, Mapping) else None
    if not isinstance(commitment, str):
        return None
    opened = Disclosure.objects.filter(commitment=commitment, person_id=None).first()
    return opened.text if opened is not None else ""


def _neighbours(entry: LogEntry) -> tuple[str, str]:
    if entry.stream is None or entry.stream_seq is None:
        return "", ""
    beside = dict(
        LogEntry.objects.filter(
            stream=entry.stream, stream_seq__in=[entry.stream_seq - 1, entry.stream_seq + 1]
        ).values_list("stream_seq", "sha256")
    )
    return beside.get(entry.stream_seq - 1, ""), beside.get(entry.stream_seq + 1, "")


def _key_entries() -> tuple[tuple[str, str], ...]:
    """Return where each statement key is enrolled: a reader verifies those entries as well."""
    enrolments = _enrolments().values_list("subject_name", "sha256")
    return tuple((name.removeprefix(_STATEMENT_KEY), sha256) for name, sha256 in enrolments)


def _enrolments() -> QuerySet[LogEntry]:
    """Return the entries that enrol statement keys, the first before the others."""
    return LogEntry.objects.filter(
        event=Event.KEY_ENROLLED, subject_name__startswith=_STATEMENT_KEY, leaf__isnull=False
    ).order_by("leaf__leaf_index")


def proof_bundle(entry: LogEntry) -> bytes | None:
    """Return the one file that proves an entry offline; None while no checkpoint covers it."""
    checkpoint = latest_checkpoint()
    if checkpoint is None:
        return None
    enrolments = _enrolments().exclude(pk=entry.pk)
    proven = prove_entries([entry, *enrolments], checkpoint)
    carried = [
        LoggedEntry(item.leaf_index, bytes(item.entry.envelope), item.proof.decode())
        for item in sorted(proven, key=lambda item: (item.entry.pk != entry.pk, item.leaf_index))
    ]
    if entry.pk not in {item.entry.pk for item in proven}:
        return None
    return build_bundle(bytes(checkpoint.note), carried)
