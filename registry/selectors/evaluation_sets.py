"""Which evaluation set a model is audited with, and how often that was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from audits.models import Evidence
from registry.errors import UnknownEvaluationSet
from registry.models import EvaluationSet, EvaluationSetBinding, RegisteredModel

# What evidence calls the set among its inputs.
SET_INPUT = "evaluation set"


def newest_binding(registered_model: RegisteredModel) -> EvaluationSetBinding | None:
    """Return what an admin last said; None where no set was ever bound to the model."""
    return (
        EvaluationSetBinding.objects.filter(registered_model=registered_model)
        .select_related("evaluation_set")
        .order_by("-entry_id")
        .first()
    )


def bound_set(registered_model: RegisteredModel) -> EvaluationSet | None:
    """Return the evaluation set that a model is audited with, if there is one."""
    binding = newest_binding(registered_model)
    return binding.evaluation_set if binding else None


def count_audits(evaluation_set: EvaluationSet, registered_model: RegisteredModel) -> int:
    """Count the audits of a model's versions that showed something of the set, by its bytes."""
    return (
        _telling_audits([registered_model])
        .filter(inputs__contains=[{"name": SET_INPUT, "digest": evaluation_set.digest}])
        .count()
    )


def _telling_audits(models: Sequence[RegisteredModel]) -> QuerySet[Evidence]:
    """Select those that had a result, or that said how many rows stand in the training data.

    Else rows could be guessed without end, by models that are made to fail.
    """
    return Evidence.objects.filter(
        ~Q(conclusion="error") | Q(measurements__evaluation_set__contamination__tables__gt=0),
        entry__stream__in=[model.uri for model in models],
        kind="bias",
        origin="computed",
    )


def set_named(name: str, version: int | None = None) -> EvaluationSet:
    """Return a version of an evaluation set, the newest where none is given.

    Raises:
        UnknownEvaluationSet: there is no such set, or it has no such version.
    """
    found = EvaluationSet.objects.filter(name=name) if "\x00" not in name else None
    if found is not None and version is not None:
        found = found.filter(version=version) if 0 < version < 2**31 else None
    newest = found.order_by("-version").first() if found is not None else None
    if newest is None:
        which = name[:60] if version is None else f"{name[:60]} version {version}"
        raise UnknownEvaluationSet(
            f"No evaluation set {which!r} is registered; `manage.py evaluation_set list` names "
            "those that are."
        )
    return newest


def every_set() -> list[EvaluationSet]:
    """Return every version of every set, by name, the newest first."""
    return list(EvaluationSet.objects.order_by("name", "-version"))


@dataclass(frozen=True, slots=True)
class Use:
    """A model that is audited with a set, and how often it was."""

    registered_model: RegisteredModel
    audits: int


@dataclass(frozen=True, slots=True)
class SetRow:
    """One version of a set as the list shows it."""

    evaluation_set: EvaluationSet
    uses: tuple[Use, ...]


def list_sets() -> list[SetRow]:
    """Return every version of every set, by name, the newest first, with its models.

    Three queries, however many sets and models there are.
    """
    bound = list(
        EvaluationSetBinding.objects.select_related("registered_model")
        .order_by("registered_model", "-entry_id")
        .distinct("registered_model")
    )
    audits = _audits_by_set([binding.registered_model for binding in bound])
    sets = EvaluationSet.objects.select_related("entry", "registered_by")
    return [
        SetRow(
            one,
            tuple(
                Use(binding.registered_model, audits[binding.registered_model.uri, one.digest])
                for binding in bound
                if binding.evaluation_set_id == one.pk
            ),
        )
        for one in sets.defer("entry__envelope").order_by("name", "-version")
    ]


def _audits_by_set(models: list[RegisteredModel]) -> Counter[tuple[str, str]]:
    """Count as `count_audits` does, for many models at once: by model URI and digest of the set."""
    rows = _telling_audits(models).values_list("entry__stream", "inputs")
    return Counter(
        (str(stream), str(one.get("digest")))
        for stream, inputs in rows
        for one in inputs
        if one.get("name") == SET_INPUT
    )
