"""Parse a policy document: bytes in, `Policy` or every problem with its path out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

from accounts.domain.signature import SignatureMethod
from audits.domain.bias import BiasCriteria, CriteriaError
from audits.domain.criteria import HIGHEST
from audits.domain.names import INTERSECTION
from registry.domain.errors import EmptyPolicy, PolicyError, PolicyProblem
from registry.domain.metrics import METRICS
from registry.domain.policy import (
    ApprovalRule,
    BiasGate,
    BoundTo,
    Gate,
    LegalSource,
    LegRequirement,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    Policy,
    RecomputationGate,
)
from registry.domain.policy_recomputation import read_recomputation_gate
from registry.domain.policy_section import Section
from registry.domain.policy_yaml import load_plain
from registry.domain.words import GateKind, Grade, Leg, Origin

RISK_TIERS = ("high", "medium", "low")
REVIEW_ROLES = ("reviewer", "admin")
DISTINCT_FROM = ("requester", "trainer")
MAX_ROWS_ASKED = 1_000_000_000


def policy_digest(content: bytes) -> str:
    """Give the textual digest that a policy is published by: `sha256:<hex>` of its exact bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse_policy(content: bytes | str) -> Policy:
    """Parse a policy document.

    Numbers are read exactly: 0.03 is three hundredths, "4/5" is four fifths. Text is taken as its
    UTF-8 bytes.

    Raises:
        EmptyPolicy: `gates` is an empty list.
        PolicyError: anything else; `problems` names every fault found, in document order where
            they are of one kind.

    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    problems: list[PolicyProblem] = []
    document = Section(load_plain(raw, problems), "", problems)
    gates = _gates(document)
    policy_fields = _head(document)
    document.close()
    if document.has("gates") and document.plain("gates") == []:
        problem = PolicyProblem("empty_policy", "gates", "there are no gates", "at least one gate")
        raise EmptyPolicy((*problems, problem))
    if problems:
        raise PolicyError(tuple(problems))
    return policy_fields(gates, policy_digest(raw))


def _head(document: Section) -> Callable[[tuple[Gate, ...], str], Policy]:
    name = document.name("name")
    version = document.whole("version", least=1, most=1_000_000)
    title = document.text("title")
    jurisdiction = document.text("jurisdiction")
    sources = tuple(_legal_source(section) for section in document.sections("legal_sources"))
    in_force_from = document.day("in_force_from")
    bound_to = _bound_to(document.section("bound_to"))
    max_age = document.whole("evidence_max_age_days", least=1, most=3650)
    approvals = _approvals(document.section("approvals"))

    def build(gates: tuple[Gate, ...], digest: str) -> Policy:
        return Policy(
            name=name,
            version=version,
            title=title,
            jurisdiction=jurisdiction,
            legal_sources=sources,
            in_force_from=in_force_from,
            bound_to=bound_to,
            evidence_max_age_days=max_age,
            gates=gates,
            approvals=approvals,
            digest=digest,
        )

    return build


def _legal_source(section: Section) -> LegalSource:
    source = LegalSource(
        citation=section.text("citation"),
        as_of=section.day("as_of"),
        note=section.text("note", required=False),
    )
    section.close()
    return source


def _bound_to(section: Section) -> BoundTo:
    bound = BoundTo(
        risk_tiers=section.names("risk_tiers", among=RISK_TIERS),
        aliases=section.names("aliases"),
    )
    section.close()
    return bound


def _approvals(section: Section) -> ApprovalRule:
    rule = ApprovalRule(
        count=section.whole("count", least=0, most=10),
        roles=section.names("roles", among=REVIEW_ROLES),
        distinct_from=section.names("distinct_from", among=DISTINCT_FROM),
        signature=SignatureMethod(
            section.choice("signature", list(SignatureMethod), default=SignatureMethod.PASSWORD)
        ),
    )
    section.close()
    return rule


def _gates(document: Section) -> tuple[Gate, ...]:
    sections = document.sections("gates")
    gates: list[Gate] = []
    ids: set[str] = set()
    judged: set[str] = set()
    for section in sections:
        gate = _gate(section)
        if gate is None:
            continue
        if gate.id and gate.id in ids:
            section.note(
                "id",
                "duplicate",
                f"{gate.id!r} a second time",
                "another id for each gate",
            )
        ids.add(gate.id)
        if isinstance(gate, BiasGate) and gate.attribute:
            if gate.attribute in judged:
                section.note(
                    "attribute",
                    "duplicate",
                    f"{gate.attribute!r} has a bias gate already",
                    "one bias gate for each attribute",
                )
            judged.add(gate.attribute)
        gates.append(gate)
    _refuse_two_favourables(sections, gates)
    return tuple(gates)


def _refuse_two_favourables(sections: list[Section], gates: list[Gate]) -> None:
    # One audit serves all of them, and it counts one outcome as the favourable one.
    favourable = {gate.criteria.favourable for gate in gates if isinstance(gate, BiasGate)}
    if len(favourable) > 1:
        sections[0].problems.append(
            PolicyProblem(
                "conflict",
                "gates",
                "bias gates disagree on criteria.favourable",
                "the same favourable outcome in all of them",
            )
        )


def _gate(section: Section) -> Gate | None:
    kind = section.choice("kind", [kind.value for kind in GateKind])
    if not kind:
        # Without its kind nothing else of a gate can be read, so its other keys are left alone.
        return None
    gate = _GATE_READERS[GateKind(kind)](section)
    section.close()
    return gate


def _accepts(section: Section) -> frozenset[Origin]:
    names = section.names("accepts", among=[origin.value for origin in Origin])
    return frozenset(origin for origin in Origin if origin.value in names)


def _waivable_by(section: Section) -> tuple[str, ...]:
    # Left out means that nobody may waive this gate.
    return section.names("waivable_by", among=REVIEW_ROLES) if section.has("waivable_by") else ()


def _lineage_gate(section: Section) -> LineageGate:
    return LineageGate(
        id=section.name("id"),
        title=section.text("title"),
        accepts=_accepts(section),
        legs=_legs(section),
        waivable_by=_waivable_by(section),
    )


def _legs(section: Section) -> tuple[LegRequirement, ...]:
    legs = section.section("legs")
    grades = [grade.value for grade in Grade if grade is not Grade.MISSING]
    found = tuple(
        LegRequirement(leg, Grade(legs.choice(leg.value, grades) or Grade.VERIFIED.value))
        for leg in Leg
        if legs.has(leg.value)
    )
    if section.has("legs") and not found:
        section.note("legs", "empty", "no leg is named", "at least one leg and its least grade")
    for leg in Leg:
        legs.plain(leg.value)
    legs.close()
    return found


def _bias_gate(section: Section) -> BiasGate:
    attribute = section.text("attribute")
    return BiasGate(
        id=section.name("id"),
        title=section.text("title"),
        accepts=_accepts(section),
        attribute=attribute,
        criteria=_criteria(section.section("criteria"), attribute or "attribute"),
        also_reported=_also_reported(section),
        waivable_by=_waivable_by(section),
    )


def _also_reported(section: Section) -> tuple[str, ...]:
    names = section.texts("also_reported")
    for index, name in enumerate(names):
        parts = name.split(INTERSECTION)
        if len(parts) != 2 or parts[0] == parts[1] or not all(part.strip() for part in parts):
            expected = f"two different attributes joined by {INTERSECTION!r}, such as 'race × sex'"
            section.note(f"also_reported[{index}]", "type", repr(name[:80]), expected)
    return names


def _criteria(section: Section, attribute: str) -> BiasCriteria:
    """Read the bias rule's thresholds; every one must be written, for none may be in the code."""
    noted = len(section.problems)
    values: dict[str, object] = {
        "attributes": [attribute],
        "standard": section.choice("standard", ("screening", "demonstrated")),
        "favourable": section.whole("favourable", least=0, most=1),
        "impact_ratio": section.exact("impact_ratio", least=Fraction(1, 2), most=Fraction(1)),
        "significance": section.exact(
            "significance", least=Fraction(1, 10_000), most=Fraction(1, 4)
        ),
        "confidence": section.exact(
            "confidence", least=Fraction(1, 2), most=Fraction(9_999, 10_000)
        ),
        "min_group": section.whole("min_group", least=1, most=1_000_000),
        "min_share": section.exact("min_share", least=Fraction(0), most=Fraction(1, 4)),
        "max_unknown_share": section.exact(
            "max_unknown_share", least=Fraction(0), most=Fraction(1, 2)
        ),
    }
    reference = section.text("reference")
    if reference != HIGHEST:
        values["reference"] = {attribute: reference}
    if section.has("exact_up_to"):
        values["exact_up_to"] = section.whole("exact_up_to", least=0, most=20_000)
    if section.has("fail_on_significant_gap"):
        values["fail_on_significant_gap"] = section.flag("fail_on_significant_gap", default=False)
    section.close()
    if len(section.problems) > noted:
        # Whatever was noted stops the policy; these criteria only stand in for it.
        return BiasCriteria(attributes=(attribute,), intersections=())
    try:
        return BiasCriteria.from_mapping(values)
    except CriteriaError as error:
        section.note(error.path, "criteria", "it cannot be judged by", error.expected)
        return BiasCriteria(attributes=(attribute,), intersections=())


def _metric(section: Section) -> tuple[str, str]:
    metric = section.choice("metric", sorted(METRICS))
    units = [METRICS[metric].unit] if metric else sorted({m.unit for m in METRICS.values()})
    return metric, section.choice("unit", units)


def _metric_floor_gate(section: Section) -> MetricFloorGate:
    metric, unit = _metric(section)
    return MetricFloorGate(
        id=section.name("id"),
        title=section.text("title"),
        accepts=_accepts(section),
        metric=metric,
        at_least=section.exact("at_least", least=Fraction(1, 1000), most=Fraction(1)),
        unit=unit,
        min_rows=section.whole("min_rows", least=1, most=MAX_ROWS_ASKED),
        waivable_by=_waivable_by(section),
    )


def _not_worse_gate(section: Section) -> NotWorseThanChampionGate:
    metric, unit = _metric(section)
    return NotWorseThanChampionGate(
        id=section.name("id"),
        title=section.text("title"),
        accepts=_accepts(section),
        metric=metric,
        # A drop of a half would let a coin replace a perfect champion.
        at_most_drop=section.exact("at_most_drop", least=Fraction(0), most=Fraction(1, 4)),
        unit=unit,
        min_rows=section.whole("min_rows", least=1, most=MAX_ROWS_ASKED),
        waivable_by=_waivable_by(section),
    )


def _recomputation_gate(section: Section) -> RecomputationGate:
    return read_recomputation_gate(section, _accepts(section), _waivable_by(section))


_GATE_READERS: Mapping[GateKind, Callable[[Section], Gate]] = MappingProxyType(
    {
        GateKind.LINEAGE_COMPLETE: _lineage_gate,
        GateKind.BIAS: _bias_gate,
        GateKind.METRIC_FLOOR: _metric_floor_gate,
        GateKind.NOT_WORSE_THAN_CHAMPION: _not_worse_gate,
        GateKind.RECOMPUTATION: _recomputation_gate,
    }
)
