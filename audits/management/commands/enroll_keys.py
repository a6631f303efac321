from __future__ import annotations

from typing import Any

from django.utils import timezone

from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from audits.services.keys import enroll_keys
from muniment.attest.errors import AttestError


class Command(JsonCommand):
    help = "State every key of the keyring in the log; those already stated are left alone."
    refusals = (AuditsError, AttestError)

    def perform(self, **options: Any) -> dict[str, Any]:
        entries = enroll_keys(now=timezone.now())
        return {"enrolled": [entry.subject_name for entry in entries]}
