from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audits.domain.actor import OPERATOR
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from lineage.domain.comparison import Verdict
from lineage.domain.recomputation import OPEN_STATUSES
from lineage.models import Recomputation
from registry.domain.errors import RegistryDomainError
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.services.lookup import find_version
from registry.services.recomputation_orders import (
    MAX_REPEATS,
    order_recomputation,
    request_recomputation,
)

POLL_SECONDS = 0.5


class Command(JsonCommand):
    help = (
        "Have a version trained again from its lineage record by the worker of the queue "
        "recompute. One that is under way already is joined. Exit status with --wait: 0 for "
        "identical and within_tolerance, 1 otherwise."
    )
    refusals = (AuditsError, RegistryError, RegistryDomainError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model")
        parser.add_argument("version", type=int)
        parser.add_argument("--source", default="", help="the registry source that it is of")
        parser.add_argument("--wait", action="store_true", help="until it has ended")
        parser.add_argument(
            "--repeats",
            type=_repeats,
            default=1,
            help=f"how often it is trained, 1 to {MAX_REPEATS}: shows the run-to-run spread",
        )
        parser.add_argument(
            "--without-control",
            dest="negative_control",
            action="store_false",
            help="do not train on permuted labels, nor on the same data in other bytes",
        )
        parser.add_argument(
            "--as", dest="username", default="", help="on whose account; else the operator's"
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        version = find_version(options["model"], options["version"], options["source"])
        asked = {
            "version": version,
            "repeats": options["repeats"],
            "negative_control": options["negative_control"],
            "now": timezone.now(),
        }
        if options["username"]:
            ordered = request_recomputation(actor=acting_person(options["username"]), **asked)
        else:
            with transaction.atomic():
                ordered, _ = order_recomputation(actor=OPERATOR, requested_by=None, **asked)
        if not options["wait"]:
            return {"recomputation": str(ordered.pk), "status": ordered.status}
        return _said(self._awaited(ordered.pk))

    def failed(self, said: Mapping[str, Any]) -> bool:
        if "verdict" not in said:
            return False  # not waited for
        return said["verdict"] is None or not Verdict(said["verdict"]).is_reproduced

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        if "verdict" not in said:
            yield f"ordered: {said['recomputation']} ({said['status']})"
            return
        yield f"{said['verdict'] or said['status']}: {said['reason']}"
        for name, leg in said["legs"].items():
            yield f"  {name}: {leg['outcome']}. {leg['reason']}"
        if said["evidence_digest"]:
            yield f"evidence: {said['evidence_digest']}"

    def _awaited(self, recomputation_id: UUID) -> Recomputation:
        """Return the recomputation when it has ended, saying on stderr where it stands."""
        told, started = "", time.monotonic()
        while True:
            found = Recomputation.objects.select_related("evidence__entry").get(pk=recomputation_id)
            stands = found.step or found.status
            if stands != told:
                self.stderr.write(f"[{time.monotonic() - started:5.0f} s] {stands}")
                told = stands
            if found.status not in OPEN_STATUSES:
                return found
            time.sleep(POLL_SECONDS)


def _said(found: Recomputation) -> dict[str, Any]:
    evidence = found.evidence
    measurements = dict(evidence.measurements) if evidence else {}
    return {
        "recomputation": str(found.pk),
        "status": found.status,
        "verdict": measurements.get("verdict"),
        "legs": measurements.get("legs", {}),
        "measurements": measurements,
        "reason": evidence.reasons[0] if evidence else found.failure,
        "evidence_digest": f"sha256:{evidence.entry.sha256}" if evidence else None,
    }


def _repeats(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_REPEATS:
        raise ArgumentTypeError(f"a number from 1 to {MAX_REPEATS}")
    return int(text)
