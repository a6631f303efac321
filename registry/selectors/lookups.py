"""Finding what an address names."""

from __future__ import annotations

from registry.errors import UnknownVersion
from registry.models import ModelVersion, RegisteredModel
from registry.services.lookup import of_one_source


def model_named(name: str, source: str = "") -> RegisteredModel:
    """Return the living model of that name, else the one that had it last.

    Args:
        source: the registry source that it is of; without one as `of_one_source` chooses.

    Raises:
        UnknownVersion: no model ever had that name here.
        AmbiguousName: several sources have one.
    """
    if "\x00" not in name + source:
        models = RegisteredModel.objects.select_related("binding__policy", "source")
        named = models.filter(name=name, source=source) if source else models.filter(name=name)
        found = of_one_source(named.filter(gone_at__isnull=True)) or of_one_source(
            named.order_by("-gone_at")
        )
        if found is not None:
            return found
    raise UnknownVersion(f"Muniment knows no registered model named {name[:256]}.")


def version_named(name: str, number: int, source: str = "") -> ModelVersion:
    """Return one version of the model of that name.

    Raises:
        UnknownVersion: no such model, or it has no such version.
        AmbiguousName: several sources have a model of that name.
    """
    model = model_named(name, source)
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


def address_of(uri: str) -> tuple[RegisteredModel, int | None]:
    """Return the model and version number that a model URI or version URI stands for now.

    Raises:
        UnknownVersion: nothing has that URI.
    """
    version = (
        ModelVersion.objects.select_related("registered_model").filter(uri=uri[:500]).first()
        if "\x00" not in uri
        else None
    )
    if version is not None:
        return version.registered_model, version.version
    _, _, stamp = uri.rpartition("@")
    if stamp.isascii() and stamp.isdigit() and len(stamp) < 18:
        for model in RegisteredModel.objects.filter(creation_timestamp_ms=int(stamp)):
            if model.uri == uri:
                return model, None
    raise UnknownVersion("Nothing in the mirror has that identity.")
