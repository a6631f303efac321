"""Parse a policy document: bytes in, `Policy` or every problem with its path out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from accounts.domain.groups import group_role, is_group_name
from accounts.domain.signature import SignatureMethod
from registry.domain.errors import EmptyPolicy, PolicyError, PolicyProblem
from registry.domain.policy import ApprovalRule, ApprovalStep, BoundTo, LegalSource, Policy
from registry.domain.policy_gate_parser import REVIEW_ROLES, parse_gates
from registry.domain.policy_gates import Gate
from registry.domain.policy_section import Section
from registry.domain.policy_yaml import load_plain

RISK_TIERS = ("high", "medium", "low")
DISTINCT_FROM = ("requester", "trainer")
MOST_APPROVALS = 10
LONGEST_AGE_DAYS = 3650
_REVIEW = "review_every_days"


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
    gates = parse_gates(document, oldest_days=_oldest_days(document))
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
    in_force_until = document.day("in_force_until") if document.has("in_force_until") else None
    if in_force_until is not None and date.min < in_force_until < in_force_from:
        document.note(
            "in_force_until",
            "conflict",
            f"{in_force_until} is before in_force_from",
            f"{in_force_from} or later",
        )
    bound_to = _bound_to(document.section("bound_to"))
    max_age = document.whole("evidence_max_age_days", least=1, most=LONGEST_AGE_DAYS)
    approvals = _approvals(document.section("approvals"), bound_to.risk_tiers)
    max_audits_per_set = _max_audits_per_set(document)

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
            in_force_until=in_force_until,
            max_audits_per_set=max_audits_per_set,
        )

    return build


def _oldest_days(document: Section) -> int:
    """Give the age at which all evidence is stale; `_head` says what is wrong with it."""
    found = document.plain("evidence_max_age_days")
    is_age = type(found) is int and 1 <= found <= LONGEST_AGE_DAYS
    return found if is_age and isinstance(found, int) else LONGEST_AGE_DAYS


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


def _approvals(section: Section, tiers: tuple[str, ...]) -> ApprovalRule:
    # With steps, `count`, `roles` and `groups` are unknown keys: two places could say different
    # things.
    steps = tuple(map(_step, section.sections("steps"))) if section.has("steps") else ()
    if section.has("steps") and not 1 <= sum(step.count for step in steps) <= MOST_APPROVALS:
        found = f"{len(steps)} steps"
        wanted = f"steps that ask for 1 to {MOST_APPROVALS} people together"
        section.problems.append(PolicyProblem("out_of_range", section.at("steps"), found, wanted))
    by_tier = _review_by_tier(section, tiers) if section.is_mapping(_REVIEW) else ()
    rule = ApprovalRule(
        count=sum(step.count for step in steps)
        if section.has("steps")
        else section.whole("count", least=0, most=MOST_APPROVALS),
        roles=tuple(dict.fromkeys(role for step in steps for role in step.roles))
        if section.has("steps")
        else _asked(section),
        distinct_from=section.names("distinct_from", among=DISTINCT_FROM),
        signature=SignatureMethod(
            section.choice("signature", list(SignatureMethod), default=SignatureMethod.PASSWORD)
        ),
        # Left out means that approvals do not expire, as in documents from before there was this.
        review_every_days=section.whole(_REVIEW, least=1, most=LONGEST_AGE_DAYS)
        if section.has(_REVIEW) and not by_tier
        else None,
        review_by_tier=by_tier,
        unknown_trainer_adds=section.whole("unknown_trainer_adds", least=0, most=2)
        if section.has("unknown_trainer_adds")
        else 0,
        steps=steps,
        in_order=section.flag("in_order", default=True) if steps else True,
    )
    section.close()
    return rule


def _review_by_tier(section: Section, tiers: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Read for how many days approvals count in each tier that the policy may be bound to."""
    days = section.section(_REVIEW)
    by_tier = tuple((tier, days.whole(tier, least=1, most=LONGEST_AGE_DAYS)) for tier in tiers)
    days.close()
    return by_tier


def _asked(section: Section) -> tuple[str, ...]:
    """Read whom a rule asks for: roles, groups of reviewers, or any of both."""
    groups = section.names("groups") if section.has("groups") else ()
    for index, name in enumerate(groups):
        if name and not is_group_name(name):
            path = f"{section.at('groups')}[{index}]"
            wanted = "lower-case words joined by hyphens, 40 characters at most"
            section.problems.append(PolicyProblem("unknown_value", path, repr(name), wanted))
    roles = section.names("roles", among=REVIEW_ROLES) if section.has("roles") or not groups else ()
    return (*roles, *map(group_role, groups))


def _step(section: Section) -> ApprovalStep:
    step = ApprovalStep(
        count=section.whole("count", least=1, most=MOST_APPROVALS),
        roles=_asked(section),
        title=section.text("title", required=False),
    )
    section.close()
    return step


def _max_audits_per_set(document: Section) -> int | None:
    if not document.has("evaluation"):
        return None
    section = document.section("evaluation")
    most = section.whole("max_audits_per_set", least=1, most=1_000_000)
    section.close()
    return most
