"""Finding a living model or version by the names that people and MLflow use."""

from __future__ import annotations

from registry.errors import UnknownPolicy, UnknownVersion
from registry.models import ModelVersion, Policy, RegisteredModel


def find_model(name: str) -> RegisteredModel:
    """Return the living registered model of this name.

    Raises:
        UnknownVersion: the mirror has none.
    """
    found = None
    if "\0" not in name:  # which PostgreSQL cannot hold
        found = RegisteredModel.objects.filter(name=name, gone_at__isnull=True).first()
    if found is None:
        raise UnknownVersion(
            f"The mirror has no model {name!r}. Check the name in MLflow; a new model appears "
            "here with the next walk."
        )
    return found


def find_version(name: str, number: int) -> ModelVersion:
    """Return a living model's version by its number.

    Raises:
        UnknownVersion: the mirror has no such model or version.
    """
    version = (
        ModelVersion.objects.select_related("registered_model")
        .filter(registered_model=find_model(name), version=number, gone_at__isnull=True)
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
