"""Evaluation sets: registered by admins, and said to be what a model is audited with."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from audits.domain.actor import Actor
from audits.domain.evaluation_set import SetColumns
from audits.domain.log import Event
from audits.services.log import append_statement, lock_stream, predicate_type
from muniment.attest.digest import Digest
from registry.errors import EvaluationSetRefused
from registry.models import EvaluationSet, EvaluationSetBinding, RegisteredModel
from registry.selectors.evaluation_sets import newest_binding
from registry.services.evaluation_files import keep_file
from registry.services.facts import state_registry_event
from registry.services.set_audit_orders import order_audits_with_new_set

MAX_NAME = 60
# A log entry names every column that has a role, and it has its bound.
MAX_STATED_COLUMNS = 200
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def register_evaluation_set(
    *, path: Path, name: str, columns: SetColumns, actor: Actor, now: datetime
) -> EvaluationSet:
    """Register a file as the next version of an evaluation set; the newest once more is that one.

    The file is checked, and copied to where the worker reads. Its digest and the roles of its
    columns go into the log; nothing of its rows does.

    Raises:
        RoleRequired: the actor is no admin.
        EvaluationSetRefused: the name, the roles or the file will not do; the message says why.
    """
    from audits.predictions.evaluation_file import SetUnusable, check_file

    actor.require_role("register an evaluation set", "admin")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise EvaluationSetRefused(
            f"An evaluation set is named by up to {MAX_NAME} small letters, digits and hyphens."
        )
    faults = columns.faults()
    if len(columns.names) > MAX_STATED_COLUMNS:
        faults = (f"More than {MAX_STATED_COLUMNS} columns have a role.", *faults)
    if faults:
        raise EvaluationSetRefused(" ".join(faults))
    try:
        digest, checked = keep_file(path, partial(check_file, columns=columns))
    except SetUnusable as error:
        raise EvaluationSetRefused(f"Nothing was registered: {error}.") from error
    except OSError as error:
        raise EvaluationSetRefused(f"{path}: {error.strerror}. Nothing was registered.") from error
    coming = EvaluationSet(
        name=name,
        digest=str(digest),
        media=checked.media,
        rows=checked.rows,
        columns=columns.to_mapping(),
        registered_at=now,
    )
    try:
        return _record(coming, actor)
    except IntegrityError as error:
        raise EvaluationSetRefused(
            f"Somebody registered a version of {name} at the same moment. Do it once more."
        ) from error


@transaction.atomic(durable=True)
def bind_evaluation_set(
    *,
    registered_model: RegisteredModel,
    evaluation_set: EvaluationSet,
    actor: Actor,
    now: datetime,
) -> EvaluationSetBinding:
    """Say which version of a set a model is audited with, in place of another; twice is once.

    Versions that wait for a decision, and those that a governed alias names, are audited with it.

    Raises:
        RoleRequired: the actor is no admin.
    """
    actor.require_role("bind an evaluation set", "admin")
    lock_stream(registered_model.uri)
    held = newest_binding(registered_model)
    if held is not None and held.evaluation_set_id == evaluation_set.pk:
        return held
    entry = state_registry_event(
        event=Event.EVALUATION_SET_BOUND,
        registered_model=registered_model,
        version=None,
        before={"evaluation_set": _named(held.evaluation_set)} if held else None,
        after={"evaluation_set": _named(evaluation_set)},
        actor=actor,
        now=now,
    )
    binding = EvaluationSetBinding.objects.create(
        registered_model=registered_model,
        evaluation_set=evaluation_set,
        bound_by=User.objects.get(pk=actor.id),
        bound_at=now,
        entry=entry,
    )
    order_audits_with_new_set(registered_model=registered_model, actor=actor, now=now)
    return binding


@transaction.atomic(durable=True)
def _record(coming: EvaluationSet, actor: Actor) -> EvaluationSet:
    newest = EvaluationSet.objects.filter(name=coming.name).order_by("-version").first()
    if newest and (newest.digest, newest.columns) == (coming.digest, coming.columns):
        return newest
    coming.version = newest.version + 1 if newest else 1
    coming.registered_by = User.objects.get(pk=actor.id)
    coming.entry = append_statement(
        event=Event.EVALUATION_SET_REGISTERED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"evaluation-set:{coming.name}@{coming.version}",
        subject_digest=Digest.parse(coming.digest),
        predicate={
            "before": None,
            "after": {
                **_named(coming),
                "media": coming.media,
                "rows": coming.rows,
                "columns": coming.columns,
            },
        },
        stream=None,
        actor=actor,
        now=coming.registered_at,
    )
    coming.save(force_insert=True)
    return coming


def _named(evaluation_set: EvaluationSet) -> dict[str, Any]:
    return {
        "name": evaluation_set.name,
        "version": evaluation_set.version,
        "digest": evaluation_set.digest,
    }
