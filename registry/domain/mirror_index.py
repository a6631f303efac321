"""Which models of a walk nothing changed about, by hashes alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from registry.domain.mirror import Fingerprint, VersionRow, Walk, row_hash


def changed_names(known: Mapping[str, Fingerprint], walk: Walk) -> frozenset[str]:
    """Return the names about which the walk says anything else than what is known.

    Names that only one of the two has are among them, and so is every name that shares its
    creation time with one of them: those could be the same model under two names. Law: planning
    a walk with every other name left out, of it and of what is known, plans the same changes.

    Args:
        known: the living models of the mirror, by name.
    """
    versions: defaultdict[str, dict[int, str]] = defaultdict(dict)
    changed, listed_twice = set(known), set()
    for row in walk.versions:
        numbers = versions[row.model_name]
        if row.version in numbers:
            listed_twice.add(row.model_name)
        # Of a name that is not known nothing is compared: its rows are hashed where it is planned.
        numbers[row.version] = row_hash(row) if row.model_name in known else ""
    seen: set[str] = set()
    for model in walk.models:
        held = known.get(model.name)
        is_same = (
            held is not None
            and model.name not in seen
            and held.creation_timestamp_ms == model.creation_timestamp_ms
            and held.row_hash == row_hash(model)
            and held.aliases == model.aliases
            and held.versions == versions[model.name]
        )
        seen.add(model.name)
        (changed.discard if is_same else changed.add)(model.name)
    changed |= listed_twice | (versions.keys() - seen)
    return frozenset(changed | _born_together(known, walk, changed))


def part_of(walk: Walk, names: frozenset[str]) -> Walk:
    """Return what a walk says of these models."""
    return Walk(
        models=tuple(row for row in walk.models if row.name in names),
        versions=_of(walk.versions, names),
        unread=walk.unread & names,
    )


def _of(rows: Iterable[VersionRow], names: frozenset[str]) -> tuple[VersionRow, ...]:
    return tuple(row for row in rows if row.model_name in names)


def _born_together(known: Mapping[str, Fingerprint], walk: Walk, names: set[str]) -> set[str]:
    born = [(row.name, row.creation_timestamp_ms) for row in walk.models]
    born += [(name, held.creation_timestamp_ms) for name, held in known.items()]
    times = {time for name, time in born if name in names}
    return {name for name, time in born if time in times}
