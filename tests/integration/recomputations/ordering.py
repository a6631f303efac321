"""Versions that can be recomputed, and computing that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connections
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import LogEntry
from audits.selectors import decoded_statement
from lineage.domain.comparison import Verdict
from lineage.models import LineageRecord, Recomputation
from lineage.recompute.order import LegOutcome, RecomputationOrder, Recomputed
from muniment.lineage_file import Code, Command, LineageFile
from registry.services.recomputation_orders import request_recomputation
from registry.services.recomputing import perform_recomputation
from registry.services.sources import client_of, default_source
from tests.integration.web.world import MODEL, World, lay_lineage

LEGS = ("code", "data", "environment", "configuration")
CAPTURE = LineageFile(
    captured_at="2026-11-24T08:00:00Z",
    kit="0.1.0",
    mode="run",
    code=Code(commit="0123456789" * 4, remote="https://git.example/boston.git", is_dirty=False),
    command=Command(arguments=("python", "train.py")),
    seeds={"numpy": "0"},
)
MEASURED: Mapping[str, Any] = {
    "basis": "artifact_bytes",
    "tolerance": {"absolute": 1e-9, "relative": 1e-6},
    "artifacts": {"compared": 2, "differing_count": 0, "differing": [], "left_out": ["MLmodel"]},
    "predictions": {
        "rows": 200,
        "rows_differing": 0,
        "identical": True,
        "within_tolerance": True,
        "max_difference": 0.0,
    },
    "metrics": {"accuracy": {"recorded": 0.906, "recomputed": 0.906, "difference": 0.0}},
    "parameters": {"compared": 3, "differing_count": 0, "differing": {}},
    "signature": "same",
    "loading": "same",
    "negative_control": {"result": "changed", "reason": "61 of 200 predictions are others."},
    "spread": None,
    "seconds": {"training": 4.2},
    "log_sha256": "1f" * 32,
}


def recomputed(
    record_sha256: str,
    verdict: Verdict = Verdict.IDENTICAL,
    reason: str = "The model's files came out with the same bytes.",
    **changed: Any,
) -> Recomputed:
    """Return what a recomputation that went through comes to, except what is changed."""
    legs = {name: LegOutcome("held") for name in LEGS}
    return Recomputed(
        verdict=verdict,
        reason=reason,
        legs=legs,
        measurements={
            **MEASURED,
            "legs": {name: leg.as_mapping() for name, leg in legs.items()},
            "record_sha256": record_sha256,
            **changed,
        },
        log_sha256=MEASURED["log_sha256"],
    )


@dataclass
class Computing:
    """Computes what it is told to; `hold` keeps it at work until `release`, or until cancelled."""

    result: Callable[[RecomputationOrder], Recomputed] = field(
        default=lambda order: recomputed(order.record_sha256)
    )
    fails: Exception | None = None
    hold: bool = False
    output: bytes = b""
    orders: list[RecomputationOrder] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    was_cancelled: bool = False

    def __call__(
        self,
        order: RecomputationOrder,
        *,
        report_step: Callable[[str], None],
        on_output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
    ) -> Recomputed:
        self.orders.append(order)
        report_step("training")
        on_output(self.output)
        self.entered.set()
        while self.hold and not self.release.wait(0.05):
            if cancelled():
                self.was_cancelled = True
                raise InterruptedError("cancelled")
        if self.fails is not None:
            raise self.fails
        return self.result(order)


def lay_captured(world: World, number: int) -> LineageRecord:
    """Record a version's lineage as the kit captured it."""
    return lay_lineage(world, world.version(number), capture=CAPTURE)


def order(world: World, number: int, *, name: str = MODEL, **asked: Any) -> Recomputation:
    return request_recomputation(
        version=world.version(number, name),
        actor=actor_of(world.people["engineer"]),
        now=world.tick(),
        **asked,
    )


def perform(
    found: Recomputation,
    compute: Computing,
    *,
    concurrency: int = 1,
    clock: Callable[[], datetime] = timezone.now,
) -> None:
    """Do as a worker does who is given this one."""
    perform_recomputation(
        recomputation_id=found.pk,
        client=client_of(default_source()),
        compute=compute,
        concurrency=concurrency,
        clock=clock,
    )


class Worker(threading.Thread):
    """A worker of its own, with a database connection of its own."""

    def __init__(self, found: Recomputation, compute: Computing, *, concurrency: int = 1) -> None:
        super().__init__(daemon=True)
        self.raised: BaseException | None = None
        self._work = lambda: perform(found, compute, concurrency=concurrency)
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the thread's edge: asserted on by the test
            self.raised = error
        finally:
            connections.close_all()


def events(found: Recomputation) -> list[str]:
    """Return what the log says of a recomputation, in order."""
    entries = LogEntry.objects.filter(event__startswith="recomputation.").order_by("pk")
    return [
        entry.event.removeprefix("recomputation.")
        for entry in entries
        if decoded_statement(entry).predicate["detail"]["recomputation_id"] == str(found.pk)
    ]
