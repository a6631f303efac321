"""Finding a living model or version by the names that people and MLflow use."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from registry.errors import AmbiguousName, UnknownPolicy, UnknownVersion
from registry.models import ModelVersion, Policy, RegisteredModel


def find_model(name: str, source: str = "") -> RegisteredModel:
    """Return the living registered model of this name.

    Args:
        source: the registry source that it is of; without one as `of_one_source` chooses.

    Raises:
        UnknownVersion: the mirror has none.
        AmbiguousName: several sources have one.
    """
    found = None
    if "\0" not in name + source:  # which PostgreSQL cannot hold
        named = RegisteredModel.objects.filter(name=name, gone_at__isnull=True)
        found = of_one_source(named.filter(source=source) if source else named)
    if found is None:
        raise UnknownVersion(
            f"The mirror has no model {name!r}{f' of source {source!r}' if source else ''}. Check "
            "the name in MLflow; a new model appears here with the next walk."
        )
    return found


def find_version(name: str, number: int, source: str = "") -> ModelVersion:
    """Return a living model's version by its number.

    Raises:
        UnknownVersion: the mirror has no such model or version.
        AmbiguousName: several sources have a model of this name.
    """
    version = (
        ModelVersion.objects.select_related("registered_model")
        .filter(registered_model=find_model(name, source), version=number, gone_at__isnull=True)
        .first()
    )
    if version is None:
        raise UnknownVersion(f"The model {name!r} has no version {number} in the mirror.")
    return version


def find_policy(reference: str) -> Policy:
    """Return a published policy by `NAME@VERSION`, or the newest version by `NAME`.

    Raises:
        UnknownPolicy: none such is published.
    """
    name, _, version = reference.partition("@")
    found = Policy.objects.filter(name=name).order_by("-version") if "\0" not in name else None
    if found is not None and version:
        # More digits than a version has are no version; int() would be slow with very many.
        is_number = version.isascii() and version.isdigit() and len(version) < 10
        found = found.filter(version=int(version)) if is_number else None
    policy = found.first() if found is not None else None
    if policy is None:
        raise UnknownPolicy(
            f"No policy {reference!r} is published. `manage.py publish_policy FILE` publishes one; "
            "the page Policies names those that there are."
        )
    return policy


def of_one_source(named: Iterable[RegisteredModel]) -> RegisteredModel | None:
    """Return the default source's model of those of one name, else the only source's.

    Args:
        named: models of one name; of one source the first counts.

    Raises:
        AmbiguousName: several sources have one, and none of them is the default one.
    """
    by_source: dict[str, RegisteredModel] = {}
    for model in named:
        by_source.setdefault(model.source_id, model)
    if settings.MUNIMENT_SOURCE in by_source:
        return by_source[settings.MUNIMENT_SOURCE]
    if len(by_source) > 1:
        raise AmbiguousName(
            f"Several registries have this model: {', '.join(sorted(by_source))}. Say which one "
            "with ?source= in the address."
        )
    return next(iter(by_source.values()), None)
