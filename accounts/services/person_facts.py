"""What the log says of a person: by their pseudonymous id, and nothing that names them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.domain.proposals import person_subject
from accounts.models import User
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest


def state_of_person(
    event: Event,
    person: User,
    change: Mapping[str, Any],
    authority: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """State something about a person, in the transaction of the caller.

    Args:
        change: `before` and `after`; empty where nothing is to be told of them.
        authority: who stood behind it; empty where one person is enough.
    """
    append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=person_subject(str(person.pk)),
        subject_digest=Digest("sha256", hashlib.sha256(str(person.pk).encode()).hexdigest()),
        predicate={**change, **({"detail": dict(authority)} if authority else {})},
        stream=None,
        actor=actor,
        now=now,
    )
