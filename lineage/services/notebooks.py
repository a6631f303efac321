"""Grading the code of a notebook anew once the committed one ran from top to bottom."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import Evidence
from audits.selectors import decoded_statement
from audits.services.log import SLSA_PROVENANCE, append_statement
from lineage.domain.grading import NOTEBOOK_ALONE
from lineage.domain.leg import Grade
from lineage.models import LineageRecord
from lineage.services.graph import draw_record, hold_graph
from muniment.attest.digest import Digest

# Of the position in the stream, which every statement has its own of.
_POSITION: Final = ("stream", "stream_seq", "previous")


@transaction.atomic
def record_repeated_notebook(
    *, record: LineageRecord, evidence: Evidence, model_name: str, actor: Actor, now: datetime
) -> LineageRecord | None:
    """Record a version's lineage again with the code leg ``recorded``, superseding `record`.

    None, and nothing is written, unless the code was weak for its notebook alone, `evidence` is of
    a recomputation of this very record that gave the same model, and no later record stands. What
    else `record` says is said again. Call it with the graph held.

    Args:
        evidence: of the recomputation. model_name: what the registered model is called now.
    """
    code = record.legs.get("code", {})
    capture = record.facts.get("capture") or {}
    notebook = capture.get("code", {}).get("notebook")
    is_of_this = evidence.measurements.get("record_sha256") == record.entry.sha256
    if evidence.conclusion != "pass" or not is_of_this or not notebook:
        return None
    if (code.get("grade"), code.get("reason")) != (Grade.WEAK.value, NOTEBOOK_ALONE):
        return None
    hold_graph()
    later = LineageRecord.objects.filter(
        version_uri=record.version_uri, entry_id__gt=record.entry_id
    )
    if later.exists():
        return None
    leg = {
        **code,
        "grade": Grade.RECORDED.value,
        "reason": "The committed notebook ran from top to bottom in a recomputation, and the same "
        f"model came out (evidence sha256:{evidence.entry.sha256}).",
    }
    repeated = {"record": record.entry.sha256, "evidence": evidence.entry.sha256}
    entry = append_statement(
        event=Event.LINEAGE_RECORDED,
        predicate_type=SLSA_PROVENANCE,
        subject_name=record.version_uri,
        subject_digest=Digest.parse(record.subject_digest),
        predicate=_predicate(record, leg, repeated),
        stream=record.stream,
        actor=actor,
        now=now,
    )
    found = LineageRecord.objects.create(
        version_uri=record.version_uri,
        stream=record.stream,
        subject_digest=record.subject_digest,
        run_id=record.run_id,
        legs={**record.legs, "code": leg},
        facts={**record.facts, "repeated": repeated},
        artifacts=record.artifacts,
        recorded_at=now,
        entry=entry,
    )
    draw_record(record=found, model_name=model_name)
    return found


def _predicate(
    record: LineageRecord, leg: dict[str, Any], repeated: dict[str, str]
) -> dict[str, Any]:
    said = dict(decoded_statement(record.entry).predicate)
    for name in _POSITION:
        said.pop(name, None)
    definition = dict(said["buildDefinition"])
    internal = dict(definition["internalParameters"])
    legs = dict(internal["muniment_legs"])
    legs["code"] = {**legs["code"], "grade": leg["grade"], "reason": leg["reason"]}
    internal |= {"muniment_legs": legs, "muniment_repeated": repeated}
    return {**said, "buildDefinition": {**definition, "internalParameters": internal}}
