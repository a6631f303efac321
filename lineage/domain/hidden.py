"""Which versions MLflow's searches may have left out, and which of those are asked for.

MLflow 3.17.2 leaves a name out of a search for versions as soon as one version of it has the
prompt tag, and its search for prompts gives the versions that have the tag themselves. Of a name
with both kinds one is in neither, whatever its source says, and of a name with a tagged version
nobody can tell a gap that a deletion left from a version that is hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lineage.domain.rows import ModelVersionRow, RegisteredModelRow

# One request each, in every walk: at MLflow's slowest (44 ms with several workers) a walk has to
# stay within a task's time.
MAX_ASKED: Final = 5_000
# Anybody may make versions of a prompt and delete them, and a number costs nobody anything: one
# name must not take what the others need.
MAX_ASKED_OF_ONE: Final = 2_000


@dataclass(frozen=True, slots=True)
class HiddenVersions:
    """What to ask for.

    Attributes:
        asked: (name, number), at most `MAX_ASKED`; many of them are deleted.
        unread: the names of which not every number is asked for: nothing may be concluded from
            a version of theirs that was not seen.
    """

    asked: tuple[tuple[str, int], ...] = ()
    unread: frozenset[str] = frozenset()


def find_hidden(
    models: Sequence[RegisteredModelRow], versions: Sequence[ModelVersionRow]
) -> HiddenVersions:
    """Say which version numbers have to be asked for one by one.

    Models before prompts, and those with few numbers first. Of a name with too many only the
    versions are asked for that an alias names. Nothing is built that is larger than `MAX_ASKED`
    and the rows that came in, whatever numbers they say.

    Args:
        versions: what both searches gave.
    """
    tagged = {row.name for row in versions if row.is_prompt}
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for row in versions:
        if row.name in tagged:
            seen[row.name].add(row.version)
    counted = [
        (model, model.latest_version - sum(n <= model.latest_version for n in seen[model.name]))
        for model in models
        if model.name in tagged
    ]
    asked: list[tuple[str, int]] = []
    unread = set()
    for model, count in sorted(counted, key=lambda each: (each[0].is_prompt, each[1])):
        left = min(MAX_ASKED - len(asked), MAX_ASKED_OF_ONE)
        known = seen[model.name]
        if count <= left:
            numbers = [n for n in range(1, model.latest_version + 1) if n not in known]
        else:
            unread.add(model.name)
            numbers = sorted({*model.aliases.values()} - known)[:left]
        asked += [(model.name, number) for number in numbers]
    return HiddenVersions(asked=tuple(asked), unread=frozenset(unread))
