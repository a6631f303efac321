from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from audits.errors import AuditsError
from muniment.attest.errors import AttestError


class AuditsConfig(AppConfig):
    name = "audits"

    def ready(self) -> None:
        """Refuse to start on a policy on witnesses that cannot be followed."""
        from audits.independent import witness_policy

        try:
            witness_policy()
        except (AuditsError, AttestError) as error:
            raise ImproperlyConfigured(str(error)) from error
