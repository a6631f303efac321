"""What a bias audit is judged by. Thresholds are policy data; these defaults are the shipped ones.

Bounds are exact fractions: 0.8 read from a policy is four fifths, not the float beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Literal, get_args

from audits.domain.names import INTERSECTION, UNKNOWN, canonical_group

Standard = Literal["screening", "demonstrated"]
Family = Literal["attribute", "audit"]
HIGHEST = "highest"
MEDIAN: Literal["median"] = "median"
MAX_SCORE = 10**9
# 6 RCNY 5-301(d): an auditor may leave out a category of less than 2% of the data.
MAX_EXCLUDED_SHARE = Fraction(1, 50)


def cutoff_text(cutoff: Fraction | Literal["median"]) -> str:
    """Return a cutoff as measurements name it: ``median``, or a score such as ``0.5``."""
    return str(_plain(cutoff)) if isinstance(cutoff, Fraction) else cutoff


class CriteriaError(ValueError):
    """Criteria that cannot be judged by; `path` names the offending key."""

    code = "criteria_invalid"

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path
        self.expected = expected


@dataclass(frozen=True, slots=True)
class BiasCriteria:
    """The bias rule with its thresholds.

    Attributes:
        attributes: judged one by one; never empty.
        intersections: pairs of attributes, reported; judged too where `gate_intersections`.
        favourable: the outcome that people want, 0 or 1.
        references: (attribute, group) pairs that are fixed; every other attribute is compared with
            its highest rate among groups that are large enough.
        impact_ratio: a group below this share of the reference's rate is *below*. Exactly this
            share is not below.
        significance: a Holm-adjusted p under it is significant.
        min_group: people in a group, and in the reference, without whom nothing passes.
        min_share: a group under this share of the people whose group is known is not the reference.
        max_unknown_share: more unknown people than this, and nothing passes.
        confidence: of the intervals.
        standard: ``demonstrated`` also asks that the ratio's lower bound reaches `impact_ratio`.
        exact_up_to: people in a comparison up to whom Fisher's exact test is used, else the score
            test.
        family: over which comparisons Holm adjusts: those of one ``attribute``, or those of all
            judged attributes together (``audit``).
        fail_on_significant_gap: a significant gap that is not below fails, instead of being
            reported only (29 CFR 1607.4D).
        cutoff: for scores: whoever has at least this one is predicted 1; ``median``: whoever is
            strictly above the median of all scores. None where decisions are audited.
        weight: the column of weights. Weighted rates are shown and nothing is concluded from them.
        person: the column that says whose row it is, where one person may have several.
        ll144: New York City's Local Law 144: the reference is the highest category that is not
            excluded, and its tables are made.
        exclude_below: a category under this share of the people whose group is known is excluded:
            shown, and compared with nobody. `exclude_because` says why, for it must be said.

    Raises:
        CriteriaError: a value out of its range.
    """

    attributes: tuple[str, ...] = ("race", "sex")
    intersections: tuple[tuple[str, str], ...] = (("race", "sex"),)
    gate_intersections: bool = False
    favourable: int = 1
    references: tuple[tuple[str, str], ...] = ()
    impact_ratio: Fraction = Fraction(4, 5)
    significance: Fraction = Fraction(1, 20)
    min_group: int = 30
    min_share: Fraction = Fraction(1, 50)
    max_unknown_share: Fraction = Fraction(1, 20)
    confidence: Fraction = Fraction(9, 10)
    standard: Standard = "screening"
    exact_up_to: int = 10_000
    family: Family = "attribute"
    fail_on_significant_gap: bool = False
    cutoff: Fraction | Literal["median"] | None = None
    weight: str | None = None
    person: str | None = None
    ll144: bool = False
    exclude_below: Fraction = Fraction(0)
    exclude_because: str = ""

    def __post_init__(self) -> None:
        _check_names(self)
        if type(self.favourable) is not int or self.favourable not in (0, 1):
            raise CriteriaError("favourable", "expected the outcome 0 or 1")
        _check_share("impact_ratio", self.impact_ratio, zero=False, one=True)
        _check_share("significance", self.significance, zero=False, one=False)
        _check_share("min_share", self.min_share, zero=True, one=False)
        _check_share("max_unknown_share", self.max_unknown_share, zero=True, one=False)
        _check_share("confidence", self.confidence, zero=False, one=False)
        for name, lowest in (("min_group", 1), ("exact_up_to", 0)):
            number = getattr(self, name)
            if type(number) is not int or number < lowest:
                raise CriteriaError(name, f"expected a whole number of at least {lowest}")
        if self.exact_up_to > 20_000:
            # The exact test costs the square of this, and a gate is judged in a web request.
            raise CriteriaError("exact_up_to", "expected at most 20000")
        for name, allowed in (
            ("standard", get_args(Standard)),
            ("family", get_args(Family)),
        ):
            if getattr(self, name) not in allowed:
                raise CriteriaError(name, f"expected one of {', '.join(allowed)}")
        for name in ("gate_intersections", "fail_on_significant_gap", "ll144"):
            if type(getattr(self, name)) is not bool:
                raise CriteriaError(name, "expected true or false")
        _check_cutoff(self.cutoff, self.favourable)
        for name in ("weight", "person"):
            column = getattr(self, name)
            if column is not None and not (isinstance(column, str) and column.strip()):
                raise CriteriaError(name, "expected the name of a column")
        _check_exclusion(self)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every attribute that must be counted, judged ones first."""
        parts = (part for pair in self.intersections for part in pair)
        return tuple(dict.fromkeys((*self.attributes, *parts)))

    @property
    def cutoff_text(self) -> str:
        """Return how scores become predictions, as measurements name it; empty for decisions."""
        return "" if self.cutoff is None else cutoff_text(self.cutoff)

    def reference_of(self, attribute: str) -> str | None:
        """Return the fixed reference of an attribute, None where it is the highest rate."""
        return dict(self.references).get(attribute)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> BiasCriteria:
        """Read criteria from a policy document or stored evidence.

        `attributes` is required, everything else has the shipped default. `reference` is
        ``"highest"`` or a mapping of attributes to their fixed group. Bounds are numbers, or text
        such as ``"4/5"``. Law: ``from_mapping(c.to_mapping()) == c``.

        Raises:
            CriteriaError: an unknown key, a missing `attributes`, or a value out of its range.
        """
        if not isinstance(mapping, Mapping):
            raise CriteriaError("criteria", "expected a mapping")
        known = {field.name for field in fields(cls)} - {"references"} | {"reference"}
        for key in mapping:
            if key not in known:
                raise CriteriaError(str(key), f"unknown key; known are {', '.join(sorted(known))}")
        if "attributes" not in mapping:
            raise CriteriaError("attributes", "expected at least one attribute to judge")
        values: dict[str, object] = dict(mapping)
        values["attributes"] = _names("attributes", mapping["attributes"])
        pairs = mapping.get("intersections", ())
        if not isinstance(pairs, list | tuple):
            raise CriteriaError("intersections", "expected a list of pairs of attributes")
        values["intersections"] = tuple(
            _names(f"intersections[{index}]", pair) for index, pair in enumerate(pairs)
        )
        values["references"] = _references(values.pop("reference", HIGHEST))
        for name in _FRACTIONS & mapping.keys():
            values[name] = _fraction(name, mapping[name])
        if mapping.get("cutoff") not in (None, MEDIAN):
            values["cutoff"] = _fraction("cutoff", mapping["cutoff"])
        return cls(**values)  # type: ignore[arg-type]  # __post_init__ refuses what does not fit

    def to_mapping(self) -> dict[str, object]:
        """Return the criteria as plain JSON values.

        Every key is written out, but those of scores, weights, persons and Local Law 144 only
        where they say something.
        """
        values: dict[str, object] = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in _SPECIAL or getattr(self, field.name) != field.default
        }
        del values["references"]
        values["attributes"] = list(self.attributes)
        values["intersections"] = [list(pair) for pair in self.intersections]
        values["reference"] = dict(self.references) or HIGHEST
        for name in (_FRACTIONS | {"cutoff"}) & values.keys():
            if isinstance(bound := values[name], Fraction):
                values[name] = _plain(bound)
        return values


_FRACTIONS = frozenset(
    {"impact_ratio", "significance", "min_share", "max_unknown_share", "confidence"}
    | {"exclude_below"}
)
_SPECIAL = frozenset({"cutoff", "weight", "person", "ll144", "exclude_below", "exclude_because"})


def _check_names(criteria: BiasCriteria) -> None:
    if not criteria.attributes:
        raise CriteriaError("attributes", "expected at least one attribute to judge")
    if len(set(criteria.attributes)) != len(criteria.attributes):
        raise CriteriaError("attributes", "expected each attribute once")
    if any(INTERSECTION.strip() in name for name in criteria.columns):
        # Else an attribute could bear the name of an intersection.
        raise CriteriaError("attributes", f"expected names without {INTERSECTION.strip()}")
    pairs: tuple[tuple[str, ...], ...] = criteria.intersections
    for index, pair in enumerate(pairs):
        if len(pair) != 2 or pair[0] == pair[1]:
            raise CriteriaError(f"intersections[{index}]", "expected two different attributes")
    if len({frozenset(pair) for pair in criteria.intersections}) != len(criteria.intersections):
        raise CriteriaError("intersections", "expected each pair of attributes once")
    if len(dict(criteria.references)) != len(criteria.references):
        raise CriteriaError("reference", "expected one group an attribute")
    for attribute, group in criteria.references:
        if attribute not in criteria.columns:
            raise CriteriaError(f"reference.{attribute}", "expected an attribute that is counted")
        if group == UNKNOWN:
            raise CriteriaError(f"reference.{attribute}", "the unknown group cannot be compared to")


def _check_cutoff(cutoff: object, favourable: int) -> None:
    is_score = isinstance(cutoff, Fraction) and abs(cutoff) <= MAX_SCORE
    if cutoff is not None and cutoff != MEDIAN and not is_score:
        raise CriteriaError("cutoff", "expected a score, or 'median'")
    if cutoff == MEDIAN and favourable != 1:
        # A scoring rate counts who scores above, so that a high score is what people want.
        raise CriteriaError(
            "favourable", "expected 1, since a score above the median is favourable"
        )


def _check_exclusion(criteria: BiasCriteria) -> None:
    _check_share("exclude_below", criteria.exclude_below, zero=True, one=False)
    if criteria.exclude_below > MAX_EXCLUDED_SHARE:
        raise CriteriaError("exclude_below", "expected a share of at most 0.02")
    if type(criteria.exclude_because) is not str:
        raise CriteriaError("exclude_because", "expected text")
    if bool(criteria.exclude_below) != bool(criteria.exclude_because.strip()):
        raise CriteriaError(
            "exclude_because", "expected the reason for excluding, exactly where exclude_below is"
        )
    if criteria.exclude_below and not criteria.ll144:
        raise CriteriaError("exclude_below", "expected ll144 beside it, which alone allows it")
    if criteria.ll144 and criteria.references:
        raise CriteriaError("reference", "expected 'highest': Local Law 144 fixes no group")


def _check_share(name: str, share: object, *, zero: bool, one: bool) -> None:
    fits = isinstance(share, Fraction) and 0 <= share <= 1
    if not fits or (share == 0 and not zero) or (share == 1 and not one):
        raise CriteriaError(name, "expected a share between 0 and 1")


def _names(path: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not all(
        isinstance(name, str) and name.strip() for name in names
    ):
        raise CriteriaError(path, "expected a list of names")
    return tuple(names)


def _references(reference: object) -> tuple[tuple[str, str], ...]:
    if reference == HIGHEST:
        return ()
    if not isinstance(reference, Mapping) or not all(
        isinstance(part, str) for pair in reference.items() for part in pair
    ):
        raise CriteriaError("reference", "expected 'highest', or a group for each attribute")
    return tuple(
        sorted(
            (name, canonical_group(group)) for name, group in reference.items() if group != HIGHEST
        )
    )


def _fraction(path: str, value: object) -> Fraction:
    """Read a bound exactly as it is written: 0.8 is four fifths."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CriteriaError(path, "expected a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise CriteriaError(path, "expected a finite number")
    if isinstance(value, str) and not re.fullmatch(r"-?\d{1,9}(\.\d{1,9}|/\d{1,9})?", value):
        # Also keeps "1e999999999" from being written out.
        raise CriteriaError(path, "expected a number, or a fraction such as '4/5'")
    try:
        return Fraction(str(value))
    except ZeroDivisionError:
        raise CriteriaError(path, "expected a number, or a fraction such as '4/5'") from None


def _plain(fraction: Fraction) -> float | str:
    number = float(fraction)
    return number if Fraction(repr(number)) == fraction else str(fraction)
