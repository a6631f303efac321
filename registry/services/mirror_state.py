"""What the mirror holds of a source, as the plan of a walk needs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from registry.domain.identity import ModelIdentity
from registry.domain.mirror import Fingerprint, ModelState, VersionState, Walk
from registry.models import ModelAlias, ModelVersion, RegisteredModel, RegistrySource


def fingerprints_of(source: RegistrySource) -> dict[str, Fingerprint]:
    """Return the living models by name, as hashes: three queries, no row is read."""
    versions: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for model_id, number, row_hash in ModelVersion.objects.filter(
        registered_model__source=source, gone_at__isnull=True
    ).values_list("registered_model_id", "version", "row_hash"):
        versions[model_id][number] = row_hash
    aliases = _aliases(ModelAlias.objects.filter(registered_model__source=source))
    living = RegisteredModel.objects.filter(source=source, gone_at__isnull=True)
    return {
        name: Fingerprint(
            creation_timestamp_ms=created,
            row_hash=row_hash,
            aliases=aliases[pk],
            versions=versions[pk],
        )
        for pk, name, created, row_hash in living.values_list(
            "pk", "name", "creation_timestamp_ms", "row_hash"
        )
    }


def states_of(
    source: RegistrySource, names: frozenset[str], walk: Walk
) -> dict[ModelIdentity, ModelState]:
    """Return all that is known of these models, and of gone ones that one of them could be.

    Args:
        walk: what a walk says of the models of these names.
    """
    of_source = RegisteredModel.objects.filter(source=source)
    living = of_source.filter(gone_at__isnull=True, name__in=names)
    born = {row.creation_timestamp_ms for row in walk.models}
    gone = of_source.filter(gone_at__isnull=False, creation_timestamp_ms__in=born)
    known = [*living, *gone]
    aliases = _aliases(ModelAlias.objects.filter(registered_model__in=known))
    versions: defaultdict[int, dict[int, VersionState]] = defaultdict(dict)
    for version in ModelVersion.objects.filter(registered_model__in=known):
        versions[version.registered_model_id][version.version] = VersionState(
            row=version.row, row_hash=version.row_hash, gone=version.gone_at is not None
        )
    return {
        model.identity: ModelState(
            name=model.name,
            row=model.row,
            row_hash=model.row_hash,
            aliases=aliases[model.pk],
            versions=versions[model.pk],
            gone=model.gone_at is not None,
        )
        for model in known
    }


def _aliases(rows: Iterable[ModelAlias]) -> defaultdict[int, dict[str, int]]:
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    held = rows.values_list("registered_model_id", "alias", "version__version")  # type: ignore[attr-defined]
    for model_id, alias, number in held:
        found[model_id][alias] = number
    return found
