"""What a piece of evidence shows: tables of groups and figures, ready for a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from django.utils.safestring import SafeString, mark_safe

from audits.domain.criteria import Standard
from audits.domain.ll144 import Publication, read_publication
from audits.domain.reproduction import ReproductionWords, tell_reproduction
from audits.models import Evidence
from audits.report.picture import group_picture
from audits.selectors import origin_of
from audits.web.log_pages import leaf_index_of

UNKNOWN = "unknown"
KIND_WORDS = {
    "bias": "Bias audit",
    "performance": "Performance",
    "recomputation": "Recomputation",
    "artifact_safety": "Scan of the files",
    "vulnerabilities": "Known vulnerabilities",
    "documentation": "Documentation",
}
FIGURES = (
    ("n", "People"),
    ("favourable", "Favourable outcome"),
    ("cutoff", "Scores cut at"),
    ("cutoff_score", "Score at the cutoff"),
    ("ties", "People at exactly the median"),
    ("repeated", "Further rows of the same people"),
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("tp", "True positives"),
    ("fp", "False positives"),
    ("tn", "True negatives"),
    ("fn", "False negatives"),
    ("rows_digest", "Rows measured (SHA-256)"),
)


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """The people of a group whose scores lie in one tenth."""

    begin: float
    end: float
    n: int
    mean_score: float
    positive_share: float


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of one attribute. `measured` is the evidence's own mapping, unchanged."""

    name: str
    measured: Mapping[str, Any]
    is_reference: bool
    is_unknown: bool
    is_small: bool
    calibration: tuple[CalibrationRow, ...]


@dataclass(frozen=True, slots=True)
class AttributePanel:
    """One attribute's table, judged or only reported."""

    name: str
    verdict: str
    is_judged: bool
    reference: str
    reasons: tuple[str, ...]
    rows: tuple[GroupRow, ...]
    differences: Mapping[str, Any]
    chart: str

    @property
    def has_calibration(self) -> bool:
        """Say whether any group has scores that could be probabilities."""
        return any(row.calibration for row in self.rows)


@dataclass(frozen=True, slots=True)
class EvidencePanel:
    """One piece of evidence, in the order in which it is read."""

    evidence: Evidence
    origin: str
    title: str
    leaf_index: int | None
    attributes: tuple[AttributePanel, ...]
    figures: tuple[tuple[str, Any, bool], ...]
    min_group: int
    reproduction: ReproductionWords | None
    standard: str
    publication: Publication | None
    findings: tuple[tuple[str, str, str], ...]


def evidence_panel(evidence: Evidence, *, with_charts: bool = True) -> EvidencePanel:
    """Lay out one piece of evidence; measurements that are missing or odd show as nothing."""
    measurements = evidence.measurements if isinstance(evidence.measurements, Mapping) else {}
    criteria = evidence.criteria if isinstance(evidence.criteria, Mapping) else {}
    smallest = criteria.get("min_group", 30)
    min_group = smallest if isinstance(smallest, int) else 30
    attributes = measurements.get("attributes")
    panels = tuple(
        _attribute(name, found, min_group, criteria, with_charts)
        for name, found in (attributes.items() if isinstance(attributes, Mapping) else ())
        if isinstance(found, Mapping)
    )
    return EvidencePanel(
        evidence=evidence,
        origin=origin_of(evidence),
        title=KIND_WORDS.get(evidence.kind, evidence.kind),
        leaf_index=leaf_index_of(evidence.entry),
        attributes=tuple(sorted(panels, key=lambda panel: _place(panel, criteria))),
        figures=tuple(
            (words, measurements[name], name == "rows_digest")
            for name, words in FIGURES
            if name in measurements
        ),
        min_group=min_group,
        reproduction=(
            tell_reproduction(measurements) if evidence.kind == "recomputation" else None
        ),
        standard=_standard(criteria),
        publication=read_publication(measurements),
        findings=_findings(measurements),
    )


def _standard(criteria: Mapping[str, Any]) -> str:
    """Return what a pass was asked to be, screening or demonstrated; empty where nothing says."""
    standard = criteria.get("standard")
    return str(standard) if standard in get_args(Standard) else ""


def _findings(measurements: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Tell what a scan found: where, what, and how bad; what was not scanned is no finding."""
    found = [
        (one.get("path"), one.get("rule"), one.get("severity"))
        for one in _mappings(measurements.get("findings"))
    ]
    found += [
        (
            f"{one.get('package')} {one.get('version')}",
            f"{one.get('id')}" + (f", fixed in {one['fixed_in']}" if one.get("fixed_in") else ""),
            one.get("severity"),
        )
        for one in _mappings(measurements.get("matches"))
    ]
    found += [
        (one.get("path"), one.get("why"), "not scanned")
        for one in _mappings(measurements.get("unscanned"))
    ]
    return tuple((str(where), str(what), str(severity)) for where, what, severity in found)


def _mappings(found: object) -> list[Mapping[str, Any]]:
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, Mapping)]


def _place(panel: AttributePanel, criteria: Mapping[str, Any]) -> tuple[bool, int, str]:
    """Order attributes as the criteria name them: JSON in the database keeps no order."""
    named = criteria.get("attributes")
    names = named if isinstance(named, list) else []
    place = names.index(panel.name) if panel.name in names else len(names)
    return (not panel.is_judged, place, panel.name)


def _attribute(
    name: str,
    found: Mapping[str, Any],
    min_group: int,
    criteria: Mapping[str, Any],
    with_charts: bool,
) -> AttributePanel:
    groups = found.get("groups")
    reference = str(found.get("reference") or "")
    rows = tuple(
        GroupRow(
            name=group,
            measured=measured,
            is_reference=group == reference,
            is_unknown=group == UNKNOWN,
            is_small=isinstance(measured.get("n"), int) and measured["n"] < min_group,
            calibration=_calibration(measured.get("calibration")),
        )
        for group, measured in (groups.items() if isinstance(groups, Mapping) else ())
        if isinstance(measured, Mapping)
    )
    # Largest first, the unknown last: the eye meets the reference before what is compared with it.
    order = sorted(
        rows, key=lambda row: (row.is_unknown, not row.is_reference, -(row.measured.get("n") or 0))
    )
    return AttributePanel(
        name=name,
        verdict=str(found.get("verdict") or ""),
        is_judged=bool(found.get("judged")),
        reference=reference,
        reasons=tuple(str(reason) for reason in found.get("reasons") or ()),
        rows=tuple(order),
        differences={
            key: found.get(key)
            for key in ("demographic_parity_difference", "equalized_odds_difference")
        },
        chart=_chart(name, found, criteria, [row.name for row in order]) if with_charts else "",
    )


def _calibration(found: object) -> tuple[CalibrationRow, ...]:
    return tuple(
        CalibrationRow(row[0], row[0] + 0.1, *row[1:])
        for row in (found if isinstance(found, list) else ())
        if isinstance(row, list)
        and len(row) == 4
        and all(isinstance(number, int | float) for number in row)
    )


def _chart(
    name: str, found: Mapping[str, Any], criteria: Mapping[str, Any], order: list[str]
) -> SafeString:
    """Draw the picture that the report shows too; group names come from outside.

    `group_picture` lets through shapes and escaped text only, so that it may stand in the page.
    """
    picture = group_picture(name, found, criteria=criteria, only=order)
    return mark_safe(picture)  # noqa: S308  # checked element by element by group_picture
