"""Which registered models are prompts, by all that the mirror ever saw of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from muniment.governed import PROMPT_TAG
from registry.domain.violations import is_prompt
from registry.models import ModelVersion, RegisteredModel


def is_prompt_model(known: RegisteredModel, *, seen: Iterable[Mapping[str, Any]] = ()) -> bool:
    """Say whether a registered model is one of MLflow's prompts, its gone versions included.

    Args:
        seen: rows of versions that a walk saw and the mirror does not hold yet.
    """
    if known.tags.get(PROMPT_TAG) != "true":
        return False
    held = ModelVersion.objects.filter(registered_model=known.pk) if known.pk else ()
    return is_prompt(known.row, [*(version.row for version in held), *seen])
