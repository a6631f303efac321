"""Who trained a version: whom MLflow's store sealed, and two admins said whose account that is."""

from __future__ import annotations

from django.conf import settings

from accounts.models import User
from muniment.registrant import REGISTRANT_TAG, find_registrant
from registry.models import MlflowAccount, ModelVersion


def trainer_of(version: ModelVersion) -> User | None:
    """Return who trained a version: whom MLflow signed in when it was registered.

    None where nobody signed in, where the seal on it is not the store's, and where the account
    stands for nobody: unknown is never somebody.
    """
    sealed = version.tags.get(REGISTRANT_TAG)
    if not sealed:
        return None
    known = version.registered_model
    mapped = {
        one.account: one.person
        for one in MlflowAccount.objects.filter(
            source_id=known.source_id, person__isnull=False
        ).select_related("person")
    }
    for name in dict.fromkeys((known.name, known.first_seen_name)):
        account = find_registrant(
            sealed,
            mapped,
            secret=settings.GATEKEEPER_SECRET,
            registry=known.source_id,
            model=name,
            location=version.source_uri,
        )
        if account is not None:
            return mapped[account]
    return None
