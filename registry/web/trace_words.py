"""What an artifact was to a training, in words."""

from __future__ import annotations

from collections.abc import Mapping

_ROLES: Mapping[str, str] = {
    "training": "trained on it",
    "validation": "validated with it",
    "evaluation": "evaluated on it",
    "code": "its code",
    "environment": "in its environment",
    "base_model": "tuned from it",
}


def role_words(role: str) -> str:
    """Say what an artifact was to a training."""
    return _ROLES.get(role, role)
