"""What enforcing would break today: what each model lacks for a promotion that is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

# For so long a move that no grant explains counts as lately.
LATELY = timedelta(days=30)


class Problem(StrEnum):
    """Why enforcing would be felt, the most common obstacle first.

    `no_policy`: every promotion is denied. `no_lineage`: nothing is recorded yet of a version that
    a governed alias names. `no_commit`: its run has no commit. `missing_leg`: its data, environment
    or configuration is not known. `weak_leg`: a leg rests on what does not prove much. `moved`: a
    governed alias was moved without a grant lately, which would be refused or undone.
    """

    NO_POLICY = "no_policy"
    NO_LINEAGE = "no_lineage"
    NO_COMMIT = "no_commit"
    MISSING_LEG = "missing_leg"
    WEAK_LEG = "weak_leg"
    MOVED = "moved"


PROBLEM_WORDS: Mapping[Problem, str] = {
    Problem.NO_POLICY: "no policy: every promotion is denied",
    Problem.NO_LINEAGE: "lineage not recorded yet",
    Problem.NO_COMMIT: "run without a commit",
    Problem.MISSING_LEG: "data, environment or configuration not known",
    Problem.WEAK_LEG: "lineage with a weak leg",
    Problem.MOVED: "alias moved without a grant lately",
}


@dataclass(frozen=True, slots=True)
class Holder:
    """A version that a governed alias names.

    Attributes:
        grades: the grade of each leg of its lineage; None while none is recorded.
    """

    alias: str
    version: int
    grades: Mapping[str, str] | None


def problems_of(
    *, has_policy: bool, holders: Sequence[Holder], unexplained_moves: int
) -> tuple[Problem, ...]:
    """Return what a model lacks, in the order of `Problem`; empty: enforcing breaks nothing."""
    found = set()
    if not has_policy:
        found.add(Problem.NO_POLICY)
    for holder in holders:
        if holder.grades is None:
            found.add(Problem.NO_LINEAGE)
            continue
        for leg, grade in holder.grades.items():
            if grade == "missing":
                found.add(Problem.NO_COMMIT if leg == "code" else Problem.MISSING_LEG)
            elif grade == "weak":
                found.add(Problem.WEAK_LEG)
    if unexplained_moves:
        found.add(Problem.MOVED)
    return tuple(problem for problem in Problem if problem in found)
