"""What a version's page says of its record."""

from __future__ import annotations

from lineage.models import LineageRecord
from registry.web.lineage_words import lineage_panel


def test_what_could_not_be_recorded_is_shown_with_its_leg_as_old_and_new_records_have_it() -> None:
    faults = ["No remote is named.", {"leg": "code", "sentence": "Nobody pushed the commit."}]
    record = LineageRecord(facts={"capture": {"faults": faults}})
    assert lineage_panel(record).faults == (
        "No remote is named.",
        "code: Nobody pushed the commit.",
    )
