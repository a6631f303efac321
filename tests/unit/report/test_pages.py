"""What the pages say, read from the HTML that is laid out."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from audits.domain.bias import BiasCriteria, judge
from audits.domain.dossier import Alias, Condition, Dossier, Evidence, Gate, RegistryEvent
from audits.domain.measurements import to_json
from audits.report import view_decision, view_record
from audits.report.html import report_html
from tests.unit.audits.counted import counted
from tests.unit.report.hostile import hostile
from tests.unit.report.samples import bare, challenger, champion, denied, later

DIGEST = "ab" * 32


def html_of(dossier: Dossier) -> str:
    return report_html(dossier, evidence_sha256=DIGEST, evidence_bytes=1234)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words_of(dossier: Dossier) -> str:
    parser = _Words()
    parser.feed(html_of(dossier))
    return re.sub(r"\s+", " ", " ".join(parser.words))


def test_a_denied_version_says_why_on_the_first_page() -> None:
    sentences = " ".join(view_decision.summary(denied()))
    assert "version 1 of boston-mortgage may not hold the alias champion" in sentences
    assert "3 of 5 gates satisfied, 1 not applicable" in sentences
    assert "In the way: Bias on race." in sentences
    assert "No review is signed." in sentences
    assert "It holds no alias in the registry." in sentences


def test_an_allowed_version_names_who_approved_it() -> None:
    sentences = " ".join(view_decision.summary(champion()))
    assert "may hold the alias champion: 4 of 5 gates satisfied" in sentences
    assert "Rita Reviewer and Ravi Reviewer approved it." in sentences
    assert "refused" not in sentences  # that refusal was dismissed
    assert "It holds the alias champion." in sentences
    assert "1 registry change without a grant is on record" in sentences


def test_a_pending_version_is_not_called_allowed() -> None:
    sentences = " ".join(view_decision.summary(challenger()))
    assert "may not yet hold the alias champion" in sentences


def test_the_first_page_calls_reported_only_what_nothing_computed_since_replaced() -> None:
    dossier = denied()
    words = "reported by the team"
    assert words in " ".join(view_decision.summary(dossier))

    def computed(later_by: timedelta) -> tuple[Evidence, ...]:
        return tuple(
            replace(one, origin="computed", produced_at=one.produced_at + later_by)
            for one in dossier.evidence
        )

    since = replace(dossier, evidence=(*computed(timedelta(hours=1)), *dossier.evidence))
    assert words not in " ".join(view_decision.summary(since))
    before = replace(dossier, evidence=(*dossier.evidence, *computed(timedelta(hours=-1))))
    assert words in " ".join(view_decision.summary(before))


def test_a_gate_made_of_others_is_followed_by_them() -> None:
    base = challenger()
    assert base.decision is not None
    files = Gate("files", "Files are safe", "unsatisfied", "A file runs code.")
    packages = Gate("packages", "No known vulnerability", "satisfied", "There is none.")
    both = Gate("secure", "Secure", "unsatisfied", "One is not.", gates=(files, packages))
    shown = view_decision.decision(
        replace(base, decision=replace(base.decision, gates=(packages, both)))
    )
    assert [(row["id"], row["inside"]) for row in shown["gates"]] == [
        ("secure", False),
        ("files", True),
        ("packages", True),
        ("packages", False),
    ]


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        ({}, "Open"),
        ({"due_at": later(-1)}, "Overdue"),
        ({"due_at": later(-1), "closed_at": later(-2), "closed_by": "Ravi Reviewer"}, "Closed"),
    ],
)
def test_a_condition_stands_as_it_does_when_the_report_is_made(
    ended: dict[str, Any], word: str
) -> None:
    base = champion()
    at = base.generated_at
    values: dict[str, Any] = {"due_at": at + timedelta(days=1)} | {
        name: at + (value - later(0)) if isinstance(value, datetime) else value
        for name, value in ended.items()
    }
    condition = Condition("high", None, "Rita Reviewer", later(0), "Erik Engineer", **values)
    said = words_of(replace(base, conditions=(condition,)))
    assert f"High {word} not recorded Raised by Rita Reviewer" in said
    assert ("Closed by Ravi Reviewer" in said) is (word == "Closed")


def test_reported_evidence_is_labelled_wherever_it_is_shown() -> None:
    words = words_of(champion())
    attributes = 3
    banners = 2  # the bias audit's and the performance's
    label = "REPORTED BY THE TEAM, not computed by Muniment"
    assert words.count(label) == attributes + banners
    assert "Muniment did not compute it" in words


def test_computed_evidence_carries_no_such_label() -> None:
    base = champion()
    computed = tuple(replace(one, origin="computed") for one in base.evidence)
    words = words_of(replace(base, evidence=computed))
    assert "REPORTED BY" not in words
    assert "Computed by Muniment" in words


def test_every_signature_shows_name_time_and_meaning_refusals_included() -> None:
    words = words_of(champion())
    for approval in champion().approvals:
        assert approval.printed_name in words
        assert approval.meaning in words
        assert approval.evidence_digest in words
    assert "2026-11-23 14:05:05 UTC" in words
    assert "Refused No longer valid. New performance evidence was recorded" in words


def test_nothing_is_left_out_silently() -> None:
    words = words_of(bare())
    assert words.count("not recorded") >= 12
    assert "No policy has judged this version" in words
    assert "No bias audit" in words
    assert "No review is signed." in words
    assert "Nothing in this report can be verified against a log" in words


@pytest.mark.parametrize("sample", [champion, denied, challenger])
def test_every_digest_and_leaf_index_is_printed_in_full(sample: Any) -> None:
    dossier = sample()
    words = words_of(dossier)
    assert dossier.policy.digest in words
    assert dossier.lineage.artifact_tree_digest in words
    assert dossier.lineage.commit in words
    assert all(one.digest in words for one in dossier.evidence)
    assert dossier.log.vkey in words
    assert dossier.log.root_hash in words
    assert all(line in words for line in dossier.log.checkpoint.split("\n"))
    assert DIGEST in words


def test_a_cut_never_hides_what_denies() -> None:
    base = denied()
    assert base.decision is not None
    satisfied = Gate("g", "Fine", "satisfied", "Fine.")
    failing = Gate("last", "The last one", "unsatisfied", "Too low.")
    gates = (satisfied,) * 5_000 + (failing,)
    shown = view_decision.decision(replace(base, decision=replace(base.decision, gates=gates)))
    assert shown["gates"][0]["title"] == "The last one"
    assert len(shown["gates"]) == view_decision.MAX_GATES
    assert shown["more"] == "4,971"


def test_a_cut_never_hides_a_violation() -> None:
    event = RegistryEvent("version.changed", later(20), "Changed.")
    violation = RegistryEvent("alias.moved", later(1), "Moved by nobody.", None, True)
    shown = view_record.history(replace(champion(), events=(violation,) + (event,) * 5_000))
    assert shown["events"][0]["violation"] is True
    assert len(shown["events"]) == view_record.MAX_EVENTS
    assert shown["more_events"] == "4,961"


def test_hostile_text_stays_text() -> None:
    parser, ordinary = _Words(), _Words()
    parser.feed(html_of(hostile(many=3)))
    for sample in (champion(), denied(), bare()):
        ordinary.feed(html_of(sample))
    assert {tag for tag, _ in parser.tags} <= {tag for tag, _ in ordinary.tags}
    assert not {"script", "img", "style", "link"} & {tag for tag, _ in parser.tags}
    for _tag, attributes in parser.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert (attributes.get("href") or "#").startswith("#")
        assert "src" not in attributes


def test_templates_in_values_are_not_rendered() -> None:
    words = words_of(replace(bare(), model_name="{% load os %}{{ cover.version }}"))
    assert "{% load os %}{{ cover.version }}" in words


def test_groups_without_a_rate_print_a_dash_not_a_zero() -> None:
    base = champion()
    group = {"n": 0, "share": 0.0, "selected": 0, "selection_rate": None, "impact_ratio": None}
    measured = {"race": {"judged": True, "groups": {"Nobody": group}, "verdict": "insufficient"}}
    bias = replace(base.evidence[0], measurements={"attributes": measured})
    words = words_of(replace(base, evidence=(bias,)))
    assert "Nobody 0 0.0% 0 — — — —" in words


def test_the_tables_of_local_law_144_are_printed() -> None:
    base = champion()
    criteria = BiasCriteria(attributes=("sex",), intersections=(), ll144=True)
    people = {"Female": (50, 100), "Male": (45, 97), "unknown": (1, 2)}
    measured = to_json(judge(counted(sex=people), criteria))
    bias = replace(base.evidence[0], measurements=measured, criteria=criteria.to_mapping())
    words = words_of(replace(base, evidence=(bias,)))
    assert "Local Law 144: to publish Sex Applicants Selected Selection rate Impact ratio" in words
    assert "Female 100 50 50.0% 1.000 Male 97 45 46.4% 0.928" in words
    assert "In no known category, and not in this table: 2 people." in words
    assert "Pass, screening" in words


@pytest.mark.parametrize(
    "measurements",
    [
        {},
        {"attributes": None},
        {"attributes": {}, "ll144": 7},
        {"attributes": {}, "ll144": {"tables": [7, {"categories": [3, {"applicants": "x"}]}]}},
        {"attributes": {"race": 7}},
        {"attributes": {"race": {"groups": []}}},
    ],
)
def test_odd_measurements_do_not_break_the_report(measurements: Any) -> None:
    base = champion()
    bias = replace(base.evidence[0], measurements=measurements)
    assert "Bias audit" in words_of(replace(base, evidence=(bias,)))


def test_aliases_of_other_versions_are_not_claimed() -> None:
    dossier = replace(champion(), aliases=(Alias("champion", "1"),))
    assert "It holds no alias in the registry." in view_decision.summary(dossier)


def test_the_report_says_whether_changes_are_refused_or_only_found() -> None:
    assert "found afterwards, not prevented: a weaker guarantee" in words_of(champion())
    guarded = words_of(replace(champion(), gatekeeper_seen_at=later(11)))
    assert "refused without a grant; the registry store was heard from" in guarded
    assert "weaker guarantee" not in guarded
    assert "only found afterwards" not in guarded
