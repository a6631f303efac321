"""Counted people for the tests of the bias rule."""

from __future__ import annotations

from collections.abc import Mapping

from audits.domain.bias import AttributeCounts, BiasCriteria, Confusion, Counts, GroupCounts

RACE_ALONE = BiasCriteria(attributes=("race",), intersections=())
DEMONSTRATED = BiasCriteria(attributes=("race",), intersections=(), standard="demonstrated")

# Held-out predictions of the example: 995 people, the logistic regression and the mitigated model.
ADVERSE = {"White": (823, 841), "Black": (75, 99), "Hispanic": (45, 55)}
MITIGATED = {"White": (825, 841), "Black": (91, 99), "Hispanic": (49, 55)}


def counted(**attributes: Mapping[str, tuple[int, int]]) -> Counts:
    """Return counts from ``group: (selected, people)`` by attribute."""
    found = tuple(
        AttributeCounts(
            name, tuple(GroupCounts(group, n, selected) for group, (selected, n) in groups.items())
        )
        for name, groups in attributes.items()
    )
    return Counts(n=sum(group.n for group in found[0].groups), favourable=1, attributes=found)


def with_labels(counts: Counts) -> Counts:
    """Return the same people with a confusion matrix, every prediction right."""
    return Counts(
        counts.n,
        counts.favourable,
        tuple(
            AttributeCounts(
                attribute.name,
                tuple(
                    GroupCounts(
                        group.name,
                        group.n,
                        group.selected,
                        Confusion(tp=group.selected, fp=0, tn=group.n - group.selected, fn=0),
                    )
                    for group in attribute.groups
                ),
            )
            for attribute in counts.attributes
        ),
    )
