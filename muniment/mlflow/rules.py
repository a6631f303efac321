"""The gatekeeper's rules: pure functions of a registry call and of what the name stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from muniment.change import RegistryChange
from muniment.governed import (
    PROMPT_SOURCES,
    PROMPT_TAG,
    GovernedNames,
    fold,
    is_governed_tag,
    is_prompt_tag,
)
from muniment.grant import RESTORE, ROLLBACK_ALIAS, ROLLBACK_TAG_PREFIX, SET_ALIAS

# What Muniment may be permitted to make again as it was.
RESTORABLE = frozenset(
    {
        "delete_model_version_tag",
        "delete_registered_model_alias",
        "delete_registered_model_tag",
        "rename_registered_model",
        "set_model_version_tag",
        "set_registered_model_alias",
        "set_registered_model_tag",
        "transition_model_version_stage",
    }
)
MAX_SHOWN_CHARACTERS = 256  # MLflow's longest model name


class NameKind(Enum):
    """What a registered name stands for, as its rows show and not as a tag claims."""

    MODEL = "model"  # or nothing: MLflow itself answers that
    PROMPT = "prompt"  # tagged a prompt, and so is every version, with nothing to load
    MIXED = "mixed"  # tagged a prompt, with at least one version that is not one


@dataclass(frozen=True, slots=True)
class RegistryCall:
    """One call of a judged method, its arguments as text.

    ``tags`` are those that the call sets, ``tag_key`` the one that it deletes.
    """

    method: str
    name: str
    version: str = ""
    alias: str = ""
    new_name: str = ""
    stage: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    tag_key: str = ""
    archives_others: bool = False
    source: str = ""

    @property
    def change(self) -> RegistryChange | None:
        """Return the call as a restore grant names it; None where no such grant can."""
        if self.method not in RESTORABLE or self.archives_others or len(self.tags) > 1:
            return None
        if fold(self.tag_key).startswith(ROLLBACK_TAG_PREFIX):
            return None  # it would make a used rollback grant good again
        key, value = self.tags[0] if self.tags else (self.tag_key, "")
        return RegistryChange(
            method=self.method,
            name=self.name,
            version=self.version,
            alias=self.alias,
            new_name=self.new_name,
            stage=self.stage,
            tag_key=key,
            tag_value=value,
        )

    @classmethod
    def from_arguments(cls, method: str, arguments: Mapping[str, Any]) -> RegistryCall:
        """Read a call from the bound arguments of MLflow's method."""
        tags = list(arguments.get("tags") or [])
        if arguments.get("tag") is not None:
            tags.append(arguments["tag"])
        return cls(
            method=method,
            name=_text(arguments.get("name")),
            version=_version(arguments.get("version")),
            alias=_text(arguments.get("alias")),
            new_name=_text(arguments.get("new_name")),
            stage=_text(arguments.get("stage")),
            tags=tuple((_text(tag.key), _text(tag.value)) for tag in tags),
            tag_key=_text(arguments.get("key")),
            source=_text(arguments.get("source")),
            archives_others=bool(arguments.get("archive_existing_versions")),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not let through: what it would have done, and why it may not.

    Both are clauses of one sentence: "{what} is refused: {why}".
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class GrantNeeded:
    """A call that a matching grant for one of ``operations`` lets through; else ``refusal``."""

    operations: tuple[str, ...]
    refusal: Refusal


Verdict = Refusal | GrantNeeded | None


def judge_call(
    call: RegistryCall, *, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    """Say whether a call passes (None), is refused, or needs a grant.

    Args:
        call: a call of a method in ``muniment.mlflow.methods.JUDGED``.
        governed: the names that are governed.
        kind_of_name: asked only where the answer matters, because it reads the database.

    Raises:
        KeyError: the method has no rule.
    """
    rule = _RULES[call.method]
    is_covered = governed.covers_model(call.name) or (
        # A rename is judged at both ends: an ungoverned model could carry its alias across.
        bool(call.new_name) and governed.covers_model(call.new_name)
    )
    if not is_covered:
        return None
    return rule(call, governed, kind_of_name)


def _set_alias(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    if not governed.covers_alias(call.alias) or kind_of_name(call.name) is NameKind.PROMPT:
        return None
    return GrantNeeded(
        (SET_ALIAS, ROLLBACK_ALIAS, RESTORE),
        Refusal(
            set_alias_clause(call),
            "Muniment governs this alias and the request carries no grant",
        ),
    )


def _delete_alias(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    if not governed.covers_alias(call.alias) or kind_of_name(call.name) is NameKind.PROMPT:
        return None
    return Refusal(
        f"Deleting alias {_shown(call.alias)} of model {_shown(call.name)}",
        "Muniment governs this alias",
    )


def _change_existence(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    if kind_of_name(call.name) is NameKind.PROMPT:
        return None
    match call.method:
        case "rename_registered_model":
            what = f"Renaming model {_shown(call.name)} to {_shown(call.new_name)}"
        case "delete_registered_model":
            what = f"Deleting model {_shown(call.name)}"
        case "delete_model_version":
            what = f"Deleting {_subject(call)}"
        case _:
            what = f"Moving {_subject(call)} to stage {_shown(call.stage)}"
    why = "Muniment keeps the history of this model"
    if call.method == "transition_model_version_stage":
        why = "Muniment promotes by alias, and stages would go around it"
    return Refusal(what, why)


def _set_tags(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    del governed
    return _refuse_muniment_tags(call) or (
        None
        if not any(is_prompt_tag(key) for key, _ in call.tags)
        or (_tags_as_prompt(call) and kind_of_name(call.name) is NameKind.PROMPT)
        else Refusal(
            f"Setting tag {PROMPT_TAG!r} on {_subject(call)}",
            "it would hide a model from every search, or show a prompt as a model",
        )
    )


def _delete_tag(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    del governed
    what = f"Deleting tag {_shown(call.tag_key)} from {_subject(call)}"
    if is_governed_tag(call.tag_key):
        return Refusal(what, "tags that start with 'muniment.' are Muniment's own")
    # On anything but a prompt the tag hides a model, so that taking it off is welcome.
    if is_prompt_tag(call.tag_key) and kind_of_name(call.name) is NameKind.PROMPT:
        return Refusal(what, "it would show a prompt as a model")
    return None


def _create_model(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    del governed, kind_of_name
    # A name may be born a prompt: it has no versions yet that this could hide.
    if any(is_prompt_tag(key) for key, _ in call.tags) and not _tags_as_prompt(call):
        return Refusal(
            f"Creating {_subject(call)} with tag {PROMPT_TAG!r} as anything but 'true'",
            "MLflow's parts disagree on whether that is a prompt",
        )
    return _refuse_muniment_tags(call)


def _create_version(
    call: RegistryCall, governed: GovernedNames, kind_of_name: Callable[[str], NameKind]
) -> Verdict:
    del governed
    if refusal := _refuse_muniment_tags(call):
        return refusal
    kind = kind_of_name(call.name)
    if any(is_prompt_tag(key) for key, _ in call.tags):
        # A prompt's version has nothing to load: one that has would make a model of the name.
        is_prompts = _tags_as_prompt(call) and call.source in PROMPT_SOURCES
        if is_prompts and kind is NameKind.PROMPT:
            return None
        return Refusal(
            f"Creating a version of model {_shown(call.name)} with tag {PROMPT_TAG!r}",
            "it would hide every version of the model from search",
        )
    if kind is not NameKind.MODEL:
        return Refusal(
            f"Registering a model version under {_shown(call.name)}",
            "the name is marked as a prompt, which would hide the model from every search",
        )
    return None


def _refuse_muniment_tags(call: RegistryCall) -> Refusal | None:
    for key, _ in call.tags:
        if is_governed_tag(key):
            return Refusal(
                f"Setting tag {_shown(key)} on {_subject(call)}",
                "tags that start with 'muniment.' are Muniment's own in the registry"
                " (on runs they are free)",
            )
    return None


def _tags_as_prompt(call: RegistryCall) -> bool:
    """Say whether every prompt tag of the call is spelled and valued as MLflow's own code does."""
    return all(
        (key, value) == (PROMPT_TAG, "true") for key, value in call.tags if is_prompt_tag(key)
    )


def _subject(call: RegistryCall) -> str:
    if call.version:
        return f"version {_shown_version(call)} of model {_shown(call.name)}"
    if call.method == "create_model_version":
        return f"a new version of model {_shown(call.name)}"
    return f"model {_shown(call.name)}"


def set_alias_clause(call: RegistryCall) -> str:
    """Return what a ``set_alias`` would do, as a clause."""
    version = _shown_version(call)
    return f"Setting alias {_shown(call.alias)} of model {_shown(call.name)} to version {version}"


def _shown(text: str) -> str:
    """Quote what a stranger sent: one line, and not all of a megabyte."""
    return repr(text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…")


def _shown_version(call: RegistryCall) -> str:
    is_number = call.version.isdecimal() and len(call.version) < 20
    return call.version if is_number else _shown(call.version)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _version(value: object) -> str:
    """Return a version as MLflow will read it: ``"03"`` is 3; what is no number stays as it is."""
    try:
        return str(int(_text(value)))
    except ValueError:
        return _text(value)


_RULES: dict[str, Callable[[RegistryCall, GovernedNames, Callable[[str], NameKind]], Verdict]] = {
    "create_model_version": _create_version,
    "create_registered_model": _create_model,
    "delete_model_version": _change_existence,
    "delete_model_version_tag": _delete_tag,
    "delete_registered_model": _change_existence,
    "delete_registered_model_alias": _delete_alias,
    "delete_registered_model_tag": _delete_tag,
    "rename_registered_model": _change_existence,
    "set_model_version_tag": _set_tags,
    "set_registered_model_alias": _set_alias,
    "set_registered_model_tag": _set_tags,
    "transition_model_version_stage": _change_existence,
}
