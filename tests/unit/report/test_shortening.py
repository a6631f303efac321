from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from audits.domain.dossier import Dossier
from audits.report.shortening import with_short_texts
from tests.unit.report.hostile import hostile
from tests.unit.report.samples import challenger, champion, denied


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _without_log(dossier: Dossier) -> dict[str, Any]:
    return {key: value for key, value in dossier.to_mapping().items() if key != "log"}


def test_long_texts_are_cut_and_nothing_else_is_lost() -> None:
    before = hostile(many=5)
    after = with_short_texts(before, 72)
    assert max(map(len, _texts(_without_log(after)))) <= 72 + len("… [+1,000,000]")
    assert after.log == before.log
    assert after.decision is not None
    assert before.decision is not None
    assert [gate.outcome for gate in after.decision.gates] == [
        gate.outcome for gate in before.decision.gates
    ]
    assert len(after.events) == len(before.events)
    attributes: Any = after.evidence[0].measurements["attributes"]
    assert len(attributes) == 5  # names that differ only in their end stay apart


@pytest.mark.parametrize("sample", [champion, denied, challenger])
def test_a_digest_is_never_cut(sample: Any) -> None:
    before, after = sample(), with_short_texts(sample(), 72)
    assert after.lineage.artifact_tree_digest == before.lineage.artifact_tree_digest
    assert [one.digest for one in after.evidence] == [one.digest for one in before.evidence]
    assert after.decision.evidence_digest == before.decision.evidence_digest
