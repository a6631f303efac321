"""Words for the identifiers that statements carry: subjects, streams and actors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote
from uuid import UUID

from django.contrib.auth import get_user_model

_MODEL_URI = re.compile(
    r"muniment://[^/]+/models/(?P<name>[^/@]*)@\d+(/versions/(?P<version>\d+))?"
)
SERVICE_WORDS = {
    "mirror": "Mirror (a service)",
    "recorder": "Lineage recorder (a service)",
    "predictions-audit": "Bias audit (a service)",
    "recomputation": "Recomputation (a service)",
    "scanner": "Scanner (a service)",
    "operator": "Operator (on the server)",
    "schedule": "Schedule (a service)",
    "gatekeeper": "Gatekeeper in MLflow (a service)",
    "gate": "Gate (a service)",
    "executor": "Executor (a service)",
    "set-up": "Set-up",
}


def subject_words(name: str) -> str:
    """Say what a statement is about: `boston-mortgage v2` for a version URI, else the name."""
    match = _MODEL_URI.fullmatch(name)
    if match is None:
        return name
    model = unquote(match["name"])
    return f"{model} v{match['version']}" if match["version"] else model


def is_registry_subject(name: str) -> bool:
    """Tell whether the subject is a registered model or a version of one."""
    return _MODEL_URI.fullmatch(name) is not None


def people_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the printed names of the people among `ids`, by id, in one query."""
    wanted = {identifier for identifier in ids if is_person_id(identifier)}
    if not wanted:
        return {}
    people = get_user_model()._default_manager.filter(pk__in=wanted)
    return {str(person.pk): str(person) for person in people}


def actor_words(kind: str, identifier: str, names: dict[str, str]) -> str:
    """Say who did something; a person whose account is gone stays a pseudonym."""
    if kind == "service":
        return SERVICE_WORDS.get(identifier, f"{identifier} (a service)")
    return names.get(identifier, f"Person {identifier[:8]}")


def is_person_id(text: str) -> bool:
    """Tell whether an actor's id is a person's pseudonym; services have names."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
