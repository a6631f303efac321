"""How closely a registered model is watched: by patterns over its name, the most literal first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from muniment.governed import GovernedNames, fold

_WILDCARDS = "*?["


class Mode(StrEnum):
    """What an unexplained change of a model comes to.

    `observe`: a fact in the log. `warn`: a violation, which alarms. `enforce`: a violation that is
    also undone where the source says so.
    """

    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class PatternMode:
    """One rule: models whose names match the glob `pattern`, in any letter case, have `mode`."""

    pattern: str
    mode: Mode

    def covers(self, name: str) -> bool:
        return fnmatchcase(fold(name), fold(self.pattern))

    @property
    def _rank(self) -> tuple[int, int, str]:
        literal = sum(letter not in _WILDCARDS for letter in self.pattern)
        is_exact = literal == len(self.pattern)
        return (int(is_exact), literal, self.pattern)


def mode_of(name: str, rules: Iterable[PatternMode], *, governed: Iterable[str]) -> Mode:
    """Return a model's mode: the matching rule with the most literal letters decides.

    Where no rule matches, what the registry store is configured to guard is enforced, and the
    rest observed.

    Args:
        governed: the globs of `MUNIMENT_GOVERNED_MODELS`.
    """
    matching = [rule for rule in rules if rule.covers(name)]
    if matching:
        return max(matching, key=lambda rule: rule._rank).mode
    is_guarded = GovernedNames(models=tuple(governed)).covers_model(name)
    return Mode.ENFORCE if is_guarded else Mode.OBSERVE
