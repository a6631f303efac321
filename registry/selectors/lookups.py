"""Finding what an address names."""

from __future__ import annotations

from registry.errors import UnknownVersion
from registry.models import ModelVersion, RegisteredModel


def model_named(name: str) -> RegisteredModel:
    """Return the living model of that name, else the one that had it last.

    Raises:
        UnknownVersion: no model ever had that name here.
    """
    if "\x00" not in name:
        models = RegisteredModel.objects.select_related("binding__policy", "source")
        found = (
            models.filter(name=name, gone_at__isnull=True).first()
            or models.filter(name=name).order_by("-gone_at").first()
        )
        if found is not None:
            return found
    raise UnknownVersion(f"Muniment knows no registered model named {name[:256]}.")


def version_named(name: str, number: int) -> ModelVersion:
    """Return one version of the model of that name.

    Raises:
        UnknownVersion: no such model, or it has no such version.
    """
    model = model_named(name)
    # Over the column's range there is none, and PostgreSQL would refuse the question.
    found = (
        ModelVersion.objects.filter(registered_model=model, version=number).first()
        if number < 2**31
        else None
    )
    if found is None:
        raise UnknownVersion(f"{model.name} has no version {number}.")
    found.registered_model = model
    return found


def address_of(uri: str) -> tuple[str, int | None]:
    """Return the name and version number that a model URI or version URI stands for now.

    Raises:
        UnknownVersion: nothing has that URI.
    """
    version = (
        ModelVersion.objects.select_related("registered_model").filter(uri=uri[:500]).first()
        if "\x00" not in uri
        else None
    )
    if version is not None:
        return version.registered_model.name, version.version
    _, _, stamp = uri.rpartition("@")
    if stamp.isascii() and stamp.isdigit() and len(stamp) < 18:
        for model in RegisteredModel.objects.filter(creation_timestamp_ms=int(stamp)):
            if model.uri == uri:
                return model.name, None
    raise UnknownVersion("Nothing in the mirror has that identity.")
