"""The mirror: walk a source, and write each difference with its fact, a page at a time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from audits.advisory_lock import advisory_lock
from audits.services.alarms import REGISTRY_UNREACHABLE, clear_alarm, raise_alarm
from lineage.errors import LineageError
from registry.domain.identity import ModelIdentity
from registry.domain.mirror import Change, ChangeKind, Walk
from registry.domain.mirror_index import changed_names, part_of
from registry.domain.mirror_plan import plan_changes
from registry.errors import SourceUnusable
from registry.models import RegistrySource
from registry.services.adoption import adopt_models
from registry.services.backlog import order_backlog
from registry.services.decisions import decide_open_promotions
from registry.services.mirror_state import fingerprints_of, states_of
from registry.services.mirror_writer import ChangeWriter
from registry.services.modes import watch_of
from registry.services.reverting import order_reverts
from registry.services.sources import client_of
from registry.services.torn import creation_times_seen, note_torn, still_adopted
from registry.services.violations import refresh_alarm
from registry.services.walk import walk_mlflow, within_bounds
from registry.services.withdrawn_versions import refresh_withdrawn_alarm

logger = structlog.get_logger(__name__)

# So many models are written in one transaction.
MODELS_A_PAGE = 200
# What gives up a model's name, and what takes one.
_LEAVING = (ChangeKind.MODEL_GONE, ChangeKind.MODEL_RENAMED)
_TAKING = (ChangeKind.MODEL_APPEARED, ChangeKind.MODEL_RENAMED)
# What the first walk left of a model that it could otherwise read.
_APPEARING = (ChangeKind.VERSION_APPEARED, ChangeKind.ALIAS_SET)


@contextmanager
def one_walk_at_a_time(source: RegistrySource) -> Iterator[None]:
    """Wait until nobody else walks this source, and hold others up meanwhile.

    Around reading and applying, so that no older walk is applied after a newer one.
    """
    name = hashlib.sha256(f"walk {source.name}".encode()).digest()
    with advisory_lock(int.from_bytes(name[:8], signed=True)):
        yield


def walk_source(*, source_name: str, clock: Callable[[], datetime]) -> tuple[Change, ...]:
    """Read a source whole and bring the mirror to what it says; return the differences.

    A failure is remembered with the source, and changes nothing else.

    Raises:
        MlflowUnavailable, MlflowRefused: MLflow did not answer, or not with what it should.
        SourceUnusable: the source cannot be asked at all.
    """
    source = RegistrySource.objects.get(pk=source_name)
    with one_walk_at_a_time(source):
        started_at = clock()
        try:
            walk = walk_mlflow(client_of(source))
        except (LineageError, SourceUnusable) as error:
            record_walk_failure(source=source, failure=str(error), now=clock())
            raise
        try:
            changes = apply_walk(source=source, walk=walk, started_at=started_at, now=clock())
        finally:
            # Also those of the pages before one that failed, and of a walk that was killed.
            order_reverts(source)
    order_backlog(source=source, now=clock())
    return changes


def apply_walk(
    *, source: RegistrySource, walk: Walk, started_at: datetime, now: datetime
) -> tuple[Change, ...]:
    """Bring the mirror to what a walk saw; return the differences, each now a fact in the log.

    Models about which nothing changed are told by their hashes and not touched. The others are
    written in pages of a transaction each: one that fails takes back its own page only, and the
    next walk finds what is left. Rows that contradict each other are left for the next walk.

    Models that a source held when it was never walked before are adopted as they are; what of
    them that walk could make nothing of is adopted when it can.

    However it ends, the alarm about violations is brought up to date: a walk that was killed
    before it came to that, and pages written before one that failed, alarm here. A failure is
    remembered with the source.

    Args:
        started_at: when the walk began; an alias that moved since is not moved back by it.
    """
    source = RegistrySource.objects.get(pk=source.pk)
    try:
        changes, torn = _write_walk(source, walk, started_at=started_at, now=now)
        # Before the first walk counts as made: killed in between, it is gone on with.
        note_torn(source=source, found=torn, now=now)
        _finish(source, started_at=started_at, now=now)
    except Exception as error:
        # Its words may hold rows of the database, and pages show what stands here.
        failure = f"What MLflow says could not be written ({type(error).__name__})."
        record_walk_failure(source=source, failure=failure, now=now)
        raise
    finally:
        refresh_alarm(now=now)
        refresh_withdrawn_alarm(now=now)
    return changes


def _write_walk(
    source: RegistrySource, walk: Walk, *, started_at: datetime, now: datetime
) -> tuple[tuple[Change, ...], dict[str, int | None]]:
    """Write a walk; return the differences, and each torn name with the creation time it had."""
    walk = within_bounds(walk, source_name=source.name)
    known = fingerprints_of(source)
    names = changed_names(known, walk)
    changes: tuple[Change, ...] = ()
    torn_names: set[str] = set()
    if names:
        part = part_of(walk, names)
        states = states_of(source, names, part)
        plan = plan_changes(states, part, creation_times_seen(source))
        for torn in plan.torn:
            logger.warning(
                "mirror.torn", name=torn.model_name, version=torn.version, why=torn.reason
            )
        holders = {state.name: identity for identity, state in states.items() if not state.gone}
        changes, leaving = _make_way(plan.changes, holders)
        written = {change.identity for change in changes}
        torn_names = {torn.model_name for torn in plan.torn} | {
            change.model_name for change in plan.changes if change.identity not in written
        }
        adopting = still_adopted(source)

        def was_there(change: Change) -> bool:
            return (source.walked_at is None or change.model_name in adopting) and (
                change.identity not in states
                or (change.kind in _APPEARING and change.before is None)
            )

        watch = watch_of(source.name)
        for page in _pages(changes, leaving):
            writer = ChangeWriter(source, watch, started_at=started_at, now=now)
            _write_page(source, page, writer, leaving=leaving, was_there=was_there, now=now)
    born = {row.name: row.creation_timestamp_ms for row in walk.models}
    return changes, {name: born.get(name) for name in torn_names}


def record_walk_failure(*, source: RegistrySource, failure: str, now: datetime) -> None:
    """Remember that a walk of MLflow failed; pages show it with the mirror's age.

    Raises an alarm when that has gone on for longer than `MUNIMENT_MIRROR_ALARM_SECONDS`.
    """
    with transaction.atomic(durable=True):
        held = RegistrySource.objects.select_for_update().get(pk=source.pk)
        held.failing_since = held.failing_since or now
        held.failed_at, held.failure = now, failure[:2000]
        held.save(update_fields=["failing_since", "failed_at", "failure"])
    if now - held.failing_since >= timedelta(seconds=settings.MIRROR_ALARM_SECONDS):
        raise_alarm(
            REGISTRY_UNREACHABLE,
            f"MLflow ({held.name}) has not been read since "
            f"{held.walked_at:%Y-%m-%d %H:%M} UTC: {held.failure} Changes there go unnoticed "
            "until it is read again."
            if held.walked_at
            else f"MLflow ({held.name}) has never been read: {held.failure}",
            now=now,
        )


@transaction.atomic(durable=True)
def _write_page(
    source: RegistrySource,
    changes: tuple[Change, ...],
    writer: ChangeWriter,
    *,
    leaving: frozenset[ModelIdentity],
    was_there: Callable[[Change], bool],
    now: datetime,
) -> None:
    others = tuple(change for change in changes if not was_there(change))
    writer.load(others)
    writer.free_names(leaving)
    adopted = [change for change in changes if was_there(change)]
    if adopted:
        adopt_models(source=source, changes=adopted, now=now)
    for change in others:
        writer.write(change)
    for touched in writer.settle():
        decide_open_promotions(registered_model=touched, now=now)


def _finish(source: RegistrySource, *, started_at: datetime, now: datetime) -> None:
    was_failing = source.failing_since is not None
    RegistrySource.objects.filter(pk=source.pk).update(
        walked_at=started_at, failed_at=None, failing_since=None, failure=""
    )
    if was_failing and not RegistrySource.objects.filter(failing_since__isnull=False).exists():
        clear_alarm(REGISTRY_UNREACHABLE, now=now)


def _make_way(
    changes: tuple[Change, ...], holders: dict[str, ModelIdentity]
) -> tuple[tuple[Change, ...], frozenset[ModelIdentity]]:
    """Return the changes that can be written, and the models that give up their names in them.

    Who takes a name whose holder a torn walk could not conclude to be gone has to wait.
    """
    waiting: set[ModelIdentity] = set()
    while True:
        leaving = {change.identity for change in changes if change.kind in _LEAVING} - waiting
        held = {name: who for name, who in holders.items() if who not in leaving}
        blocked = {
            change.identity
            for change in changes
            if change.kind in _TAKING
            and held.get(change.model_name, change.identity) != change.identity
        }
        if blocked <= waiting:
            break
        waiting |= blocked
    for identity in waiting:
        logger.warning("mirror.name_still_held", name=identity.first_seen_name)
    return (
        tuple(change for change in changes if change.identity not in waiting),
        frozenset(leaving),
    )


def _pages(
    changes: Sequence[Change], leaving: frozenset[ModelIdentity]
) -> Iterator[tuple[Change, ...]]:
    """Yield the changes in pages, all of one model in one; who gives up or takes names first."""
    freed = {(change.before or {}).get("name") for change in changes if change.kind in _LEAVING}
    grouped: defaultdict[ModelIdentity, list[Change]] = defaultdict(list)
    for change in changes:
        grouped[change.identity].append(change)
    moving = {
        identity
        for identity, own in grouped.items()
        if identity in leaving
        or any(change.kind in _TAKING and change.model_name in freed for change in own)
    }
    if moving:
        yield tuple(change for change in changes if change.identity in moving)
    staying = [own for identity, own in grouped.items() if identity not in moving]
    for first in range(0, len(staying), MODELS_A_PAGE):
        page = staying[first : first + MODELS_A_PAGE]
        yield tuple(change for own in page for change in own)
