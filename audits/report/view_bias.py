"""The bias pages: one part an attribute, with its picture, its table and its verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from audits.domain.criteria import Standard
from audits.domain.dossier import Dossier, Evidence
from audits.domain.ll144 import read_publication
from audits.report.picture import group_picture
from audits.report.text import (
    counted,
    decimal,
    integer,
    interval,
    p_value,
    percentage,
    plain,
    printable,
    rest,
)
from audits.report.view_record import heading

MAX_ATTRIBUTES = 6
MAX_GROUPS = 16
MAX_DRAWN = 8
MAX_REASONS = 6
MAX_FINDINGS = 1
MAX_PUBLISHED = 40

_TONES = {"pass": "good", "fail": "bad", "insufficient": "bad", "error": "bad"}
_ERROR_RATES = ("accuracy", "tpr", "fpr", "fnr", "ppv")
_CELLS = ("tp", "fp", "tn", "fn")


def bias(dossier: Dossier) -> dict[str, Any]:
    """Return the bias pages of the newest findings; older ones stand in the list of evidence."""
    findings = sorted(
        (one for one in dossier.evidence if one.kind == "bias"),
        key=lambda one: one.produced_at,
        reverse=True,
    )
    return {
        "findings": [_finding(one) for one in findings[:MAX_FINDINGS]],
        "more": rest(len(findings), MAX_FINDINGS),
    }


def _finding(finding: Evidence) -> dict[str, Any]:
    attributes = _mapping(finding.measurements.get("attributes"))
    shown = list(attributes.items())[:MAX_ATTRIBUTES]
    said = {
        f"{name}: {reason}"
        for name, one in shown
        for reason in _sequence(_mapping(one).get("reasons"))
    }
    # What an attribute's own part says need not be said twice.
    reasons = [reason for reason in finding.reasons if reason not in said]
    return {
        **heading(replace(finding, reasons=tuple(reasons))),
        "n": integer(finding.measurements.get("n")),
        "favourable": plain(finding.measurements.get("favourable")),
        "rule": _rule(finding.criteria),
        "confidence": _confidence(finding.criteria),
        "attributes": [_attribute(name, _mapping(one), finding.criteria) for name, one in shown],
        "more_attributes": rest(len(attributes), MAX_ATTRIBUTES),
        "publication": _publication(finding.measurements),
    }


def _publication(measurements: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the tables that Local Law 144 asks to publish, if the finding has them."""
    found = read_publication(measurements)
    if found is None:
        return None
    return {
        "selected": found.selected_words,
        "rate": found.rate_words,
        "because": printable(found.excluded_because, 400),
        "tables": [
            {
                "name": printable(table.name, 80)[:1].upper() + printable(table.name, 80)[1:],
                "unknown": counted(table.unknown, "person", "people"),
                "more": rest(len(table.categories), MAX_PUBLISHED),
                "rows": [
                    {
                        "name": printable(row.name, 60),
                        "applicants": integer(row.applicants),
                        "selected": integer(row.selected),
                        "rate": percentage(row.rate),
                        "ratio": "excluded" if row.is_excluded else decimal(row.impact_ratio),
                    }
                    for row in table.categories[:MAX_PUBLISHED]
                ],
            }
            for table in found.tables[:MAX_ATTRIBUTES]
        ],
    }


def _rule(criteria: Mapping[str, Any] | None) -> str:
    """Return the rule that the finding was judged by, in words, as far as it is recorded."""
    if not criteria:
        return ""
    parts = []
    if decimal(criteria.get("impact_ratio")):
        parts.append(
            f"a group is below when its impact ratio is under {plain(criteria['impact_ratio'])}"
        )
    if decimal(criteria.get("significance")):
        parts.append(
            "a group below fails when the Holm-adjusted two-sided p is under "
            f"{plain(criteria['significance'])}"
        )
    if integer(criteria.get("min_group")):
        parts.append(f"fewer than {integer(criteria['min_group'])} people in a group never pass")
    if criteria.get("standard") == "demonstrated":
        parts.append("to pass, the lower bound of the ratio's interval must reach the limit too")
    if criteria.get("standard") in get_args(Standard):
        parts.append(f"a pass is asked to be {criteria['standard']}")
    rule = f"{'; '.join(parts)}."
    return rule[:1].upper() + rule[1:] if parts else plain(criteria)


def _confidence(criteria: Mapping[str, Any] | None) -> str:
    level = (criteria or {}).get("confidence")
    return percentage(level).replace(".0%", "%") if percentage(level) else ""


def _attribute(
    name: str, measured: Mapping[str, Any], criteria: Mapping[str, Any] | None
) -> dict[str, Any]:
    groups = _mapping(measured.get("groups"))
    reference = measured.get("reference")
    judged = measured.get("judged") is True
    verdict = measured.get("verdict")
    unknown = _mapping(measured.get("unknown"))
    ordered = _in_order(groups, reference)
    shown = ordered[:MAX_GROUPS]
    reasons = [printable(one, 240) for one in _sequence(measured.get("reasons"))[:MAX_REASONS]]
    return {
        "name": printable(name, 80)[:1].upper() + printable(name, 80)[1:],
        "judged": judged,
        "verdict": _verdict(verdict, criteria),
        "tone": _TONES.get(verdict, "none") if judged and isinstance(verdict, str) else "none",
        "reference": printable(reference, 80) if isinstance(reference, str) else "",
        "reasons": reasons,
        "more_reasons": rest(len(_sequence(measured.get("reasons"))), MAX_REASONS),
        "parity": decimal(measured.get("demographic_parity_difference")),
        "odds": decimal(measured.get("equalized_odds_difference")),
        "unknown": _unknown(unknown),
        "picture": group_picture(
            # The part's heading names the attribute in full.
            printable(name, 40),
            measured,
            criteria=criteria,
            only=[group for group, _ in shown[:MAX_DRAWN]],
        ),
        "undrawn": rest(len(ordered), MAX_DRAWN),
        "beside": sum(map(len, reasons)) <= 1_000,
        "groups": [_group(group, one, reference, judged) for group, one in shown],
        "more_groups": rest(len(ordered), MAX_GROUPS),
        "has_cells": any(integer(one.get("tp")) for _, one in shown),
    }


def _in_order(groups: Mapping[str, Any], reference: object) -> list[tuple[str, Mapping[str, Any]]]:
    """Reference first, then failing groups, then the larger ones; the unknown group last."""

    def rank(item: tuple[str, Mapping[str, Any]]) -> tuple[int, float, str]:
        name, one = item
        size = one.get("n")
        number = -size if isinstance(size, int | float) else 0
        if name == "unknown":
            return 3, 0, name
        if name == reference:
            return 0, 0, name
        return (1 if one.get("verdict") in ("fail", "error", "insufficient") else 2), number, name

    return sorted(((name, _mapping(one)) for name, one in groups.items()), key=rank)


def _group(name: str, one: Mapping[str, Any], reference: object, judged: bool) -> dict[str, Any]:
    verdict = one.get("verdict")
    is_reference = name == reference
    word = "Reference" if is_reference else _verdict_word(verdict)
    return {
        "name": "Unknown (blank)" if name == "unknown" else printable(name, 40),
        "n": integer(one.get("n")),
        "share": percentage(one.get("share")),
        "selected": integer(one.get("selected")),
        "rate": decimal(one.get("selection_rate")),
        "rate_interval": interval(one.get("rate_low"), one.get("rate_high")),
        "ratio": decimal(one.get("impact_ratio")),
        "ratio_interval": ""
        if is_reference
        else interval(one.get("ratio_low"), one.get("ratio_high")),
        "below": one.get("below") is True,
        "p": "" if is_reference else p_value(one.get("p_value")),
        "p_holm": "" if is_reference else p_value(one.get("p_holm")),
        "verdict": word,
        # Colour says what counts towards the gate; what is only shown has words alone.
        "tone": _TONES.get(str(verdict), "none") if judged and not is_reference else "none",
        "rates": [decimal(one.get(key)) for key in _ERROR_RATES],
        "cells": [integer(one.get(key)) for key in _CELLS],
    }


def _verdict(verdict: object, criteria: Mapping[str, Any] | None) -> str:
    """Name a verdict, and a pass together with what it was asked to be."""
    standard = (criteria or {}).get("standard")
    if verdict == "pass" and standard in get_args(Standard):
        return f"Pass, {standard}"
    return printable(verdict, 40).capitalize() if isinstance(verdict, str) else ""


def _verdict_word(verdict: object) -> str:
    return printable(verdict, 40).capitalize() if isinstance(verdict, str) else "Not judged"


def _unknown(unknown: Mapping[str, Any]) -> str:
    number = unknown.get("n")
    if not isinstance(number, int) or isinstance(number, bool):
        return ""
    if number == 0:
        return "Everybody's group is known"
    share = percentage(unknown.get("share"))
    return (
        f"{counted(number, 'person', 'people')} in no known group"
        + (f" ({share})" if share else "")
        + ": shown, never judged, never the reference"
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
