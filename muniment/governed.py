"""What is governed: names, compared so that no spelling gets around them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase

GOVERNED_TAG_PREFIX = "muniment."
PROMPT_TAG = "mlflow.prompt.is_prompt"  # MLflow's IS_PROMPT_TAG_KEY; a test compares the two

# MLflow's own placeholders for the source that a prompt has none of; a test compares them.
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})


def fold(text: str) -> str:
    """Return ``text`` in the one form in which names are compared.

    Idempotent. Letter case, compatibility forms (a full-width letter, the long s) and white
    space at either end make no difference.
    """
    folded = text
    for _ in range(3):  # casefold can undo NFKC and the other way round; twice settles it
        folded = unicodedata.normalize("NFKC", folded).casefold()
    return folded.strip()


def is_governed_tag(key: str) -> bool:
    """Say whether a registry tag is Muniment's own."""
    return fold(key).startswith(GOVERNED_TAG_PREFIX)


def is_prompt_tag(key: str) -> bool:
    """Say whether a registry tag is the one by which MLflow tells prompts from models."""
    return fold(key) == PROMPT_TAG


@dataclass(frozen=True, slots=True)
class GovernedNames:
    """The registered models and the aliases that need a grant.

    Attributes:
        models: glob patterns (``*``, ``?``, ``[…]``) over registered model names.
        aliases: alias names, no patterns.
    """

    models: tuple[str, ...] = ("*",)
    aliases: tuple[str, ...] = ("champion",)

    def covers_model(self, name: str) -> bool:
        """Say whether a registered model of this name is governed."""
        folded = fold(name)
        return any(fnmatchcase(folded, fold(pattern)) for pattern in self.models)

    def covers_alias(self, alias: str) -> bool:
        """Say whether this alias, on a governed model, needs a grant."""
        return self.governed_alias(alias) is not None

    def governed_alias(self, alias: str) -> str | None:
        """Return the governed alias that this one is a spelling of, as it was configured."""
        return next((name for name in self.aliases if fold(name) == fold(alias)), None)
