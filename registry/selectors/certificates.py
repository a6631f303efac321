"""Reads of certificates."""

from __future__ import annotations

from registry.errors import NoCertificate
from registry.models import Certificate, ModelVersion


def newest_certificate(version: ModelVersion, alias: str = "") -> Certificate:
    """Return the newest certificate of a version.

    Args:
        alias: of this alias alone, letter case ignored; any alias by default.

    Raises:
        NoCertificate: no promotion of it was executed, or none since there are certificates.
    """
    found = Certificate.objects.filter(promotion__version=version)
    if alias:
        found = found.filter(promotion__alias=alias.lower())
    newest = (
        found.select_related("entry", "promotion__version__registered_model")
        .order_by("-entry_id")
        .first()
    )
    if newest is None:
        whose = f" as {alias.lower()}" if alias else ""
        raise NoCertificate(
            f"Version {version.version} of {version.registered_model.name} has no certificate"
            f"{whose}: one is issued when a promotion is executed."
        )
    return newest
