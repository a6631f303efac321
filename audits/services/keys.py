"""Enrolling keys: the log itself says which key may sign what."""

from __future__ import annotations

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from audits.domain.actor import SETUP
from audits.domain.log import Event
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from audits.services.signing import keyring


@transaction.atomic(durable=True)
def enroll_keys(*, now: datetime) -> list[LogEntry]:
    """State every key of the keyring that the log does not know yet; return the new entries."""
    entries = []
    for key in keyring().keys:
        name = f"key:{key.use}:{key.keyid}"
        if LogEntry.objects.filter(subject_name=name, event=Event.KEY_ENROLLED).exists():
            continue
        sha256 = key.keyid
        body: dict[str, object] = {
            "use": key.use,
            "keyid": key.keyid,
            "scheme": key.scheme,
            "public_key_pem": key.public_key_pem,
            "predicate_types": list(key.predicate_types),
        }
        if key.certificate_pem:
            certificate = x509.load_pem_x509_certificate(key.certificate_pem.encode())
            sha256 = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
            body["certificate_pem"] = key.certificate_pem
        entries.append(
            append_statement(
                event=Event.KEY_ENROLLED,
                predicate_type=predicate_type("key"),
                subject_name=name,
                subject_digest={"sha256": sha256},
                predicate=body,
                stream=None,
                actor=SETUP,
                now=now,
            )
        )
    return entries
