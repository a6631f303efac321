"""Rows of a walk that contradict each other, and what must not be concluded because of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from registry.domain.mirror import ModelRow, ModelState, Torn, VersionRow, VersionState


def untorn_models(rows: Sequence[ModelRow], torn: list[Torn]) -> dict[str, ModelRow]:
    """Return the models that are named once, by name; say of the others that they are torn."""
    counted = Counter(row.name for row in rows)
    torn.extend(
        Torn(name, None, "The walk names this model twice.")
        for name, count in counted.items()
        if count > 1
    )
    return {row.name: row for row in rows if counted[row.name] == 1}


def versions_by_model(
    models: Mapping[str, ModelRow],
    rows: Sequence[VersionRow],
    settled: Set[str],
    torn: list[Torn],
) -> dict[str, dict[int, VersionRow]]:
    """Return the versions that may be of these models; say of the others that they are torn.

    Args:
        settled: the names that belonged to these very models when the walk began.
    """
    grouped: dict[str, dict[int, VersionRow]] = {name: {} for name in models}
    counted = Counter((row.model_name, row.version) for row in rows)
    for row in rows:
        key = row.model_name, row.version
        model = models.get(row.model_name)
        if counted[key] > 1:
            torn.append(Torn(*key, "The walk lists this version twice."))
        elif model is None:
            torn.append(Torn(*key, "The walk lists a version of a model that it does not list."))
        elif (
            # It may be of the model that had this name before, unless that is this one: then
            # clocks differ, or somebody wrote another time.
            row.model_name not in settled
            and row.creation_timestamp_ms < model.creation_timestamp_ms
        ):
            torn.append(Torn(*key, "The version is older than its model."))
        else:
            grouped[row.model_name][row.version] = row
    return grouped


def untorn_versions(
    state: ModelState, rows: Mapping[int, VersionRow], torn: list[Torn]
) -> dict[int, VersionRow]:
    """Leave out what may be another model's: this one took the name since the walk before."""
    kept: dict[int, VersionRow] = {}
    for number, row in rows.items():
        known = state.versions.get(number)
        born = None if known is None else known.row.get("creation_timestamp_ms")
        # MLflow never changes it and never gives a number twice within one model.
        if born is not None and born != row.creation_timestamp_ms:
            reason = "The version was created at another time than the one known by its number."
            torn.append(Torn(row.model_name, number, reason))
        else:
            kept[number] = row
    return kept


class Doubt:
    """What cannot be said to be gone, because something torn may be it.

    Attributes:
        names: those about which the walk contradicts itself.
    """

    def __init__(self, torn: Sequence[Torn], rows: Sequence[VersionRow]) -> None:
        self.names = {problem.model_name for problem in torn}
        # A model renamed between the calls has its versions under a name that is not its own.
        self._strays = {
            (row.version, row.creation_timestamp_ms) for row in rows if row.model_name in self.names
        }

    def about_version(self, number: int, state: VersionState) -> bool:
        """Say whether a version of a model that the walk names may be there all the same."""
        return (number, state.row.get("creation_timestamp_ms")) in self._strays

    def about_model(self, state: ModelState) -> bool:
        """Say whether a model that the walk does not name may be there all the same."""
        return state.name in self.names or any(
            self.about_version(number, version)
            for number, version in state.versions.items()
            if not version.gone
        )
