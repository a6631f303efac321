"""The places that admins allowed: what runs name is opened there and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from lineage.domain.remotes import RemoteRefused, parse_remote
from lineage.errors import PlaceInvalid, PlaceUnknown
from lineage.models import AllowedPlace
from muniment import datasets
from muniment.attest.digest import Digest, canonical_json

MAX_PREFIX = AllowedPlace._meta.get_field("prefix").max_length or 0


def access_of(source_name: str) -> datasets.Access:
    """Return what may be opened of the data sets that a registry source's runs name.

    Without a place nothing may.
    """
    rows = AllowedPlace.objects.filter(source_name=source_name, kind=AllowedPlace.Kind.DATA)
    return datasets.Access(
        tuple(
            datasets.AllowedPlace(
                prefix=row.prefix,
                is_immutable=row.is_immutable,
                options=row.options,
                credentials=row.credentials,
            )
            for row in rows.order_by("prefix")
        )
    )


def allowed_remotes(source_name: str) -> tuple[str, ...]:
    """Return the prefixes from which the code of a registry source's runs may be fetched."""
    rows = AllowedPlace.objects.filter(source_name=source_name, kind=AllowedPlace.Kind.CODE)
    return tuple(rows.order_by("prefix").values_list("prefix", flat=True))


@transaction.atomic(durable=True)
def allow_place(*, place: AllowedPlace, actor: Actor, now: datetime) -> AllowedPlace:
    """Allow a place, or change what is said of one that is allowed already.

    The log keeps the names of the variables that hold credentials, never what they hold.

    Raises:
        RoleRequired: the actor is no admin.
        PlaceInvalid: a malformed prefix, option or variable; the message says which.
    """
    actor.require_role("allow a place for data or code", "admin")
    _require_fields(place)
    held = (
        AllowedPlace.objects.select_for_update()
        .filter(source_name=place.source_name, kind=place.kind, prefix=place.prefix)
        .first()
    )
    before = stated_place(held) if held else None
    after = stated_place(place)
    if held is not None and before == after:
        return held
    place.pk = held.pk if held else None
    place.allowed_at = now
    place.save(force_insert=held is None, force_update=held is not None)
    _state(Event.PLACE_ALLOWED, place, before=before, after=after, actor=actor, now=now)
    return place


@transaction.atomic(durable=True)
def remove_place(*, source_name: str, kind: str, prefix: str, actor: Actor, now: datetime) -> None:
    """Allow a place no more.

    Raises:
        RoleRequired: the actor is no admin.
        PlaceUnknown: it is not allowed.
    """
    actor.require_role("take back a place for data or code", "admin")
    held = (
        AllowedPlace.objects.select_for_update()
        .filter(source_name=source_name, kind=kind, prefix=_spelled(kind, prefix))
        .first()
    )
    if held is None:
        raise PlaceUnknown(
            f"{prefix} is no place that is allowed for the {kind} of {source_name}; "
            "`manage.py places list` names those that are."
        )
    _state(Event.PLACE_REMOVED, held, before=stated_place(held), after=None, actor=actor, now=now)
    held.delete()


def stated_place(place: AllowedPlace) -> dict[str, Any]:
    """Return a place as the log states it."""
    return {
        "kind": str(place.kind),
        "prefix": place.prefix,
        "is_immutable": place.is_immutable,
        "options": dict(place.options),
        "credentials": dict(place.credentials),
    }


def _state(
    event: Event,
    place: AllowedPlace,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    actor: Actor,
    now: datetime,
) -> None:
    append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"source:{place.source_name}",
        subject_digest=Digest.of_bytes(canonical_json(after or before)),
        predicate={"before": before, "after": after},
        stream=None,
        actor=actor,
        now=now,
    )


def _require_fields(place: AllowedPlace) -> None:
    if place.kind not in AllowedPlace.Kind.values:
        raise PlaceInvalid(f"The kind is one of {', '.join(AllowedPlace.Kind.values)}.")
    place.prefix = _spelled(place.kind, place.prefix)
    if place.kind == AllowedPlace.Kind.CODE:
        if place.options or place.credentials or place.is_immutable:
            raise PlaceInvalid(
                "A place of code takes no options and no credentials, and needs no promise that "
                "it is immutable: a commit's name is its digest."
            )
        return
    if any(len(value) > MAX_PREFIX for value in place.options.values()):
        raise PlaceInvalid(f"An option has at most {MAX_PREFIX} characters.")
    endpoint = urlsplit(place.options.get("endpoint_url", "https://s3"))
    if endpoint.scheme not in ("https", "http") or not endpoint.hostname or "@" in endpoint.netloc:
        raise PlaceInvalid(
            "endpoint_url is an http or https URL without credentials. Name the environment "
            "variables that hold them."
        )
    try:
        datasets.AllowedPlace(
            prefix=place.prefix, options=place.options, credentials=place.credentials
        )
    except datasets.DatasetRefused as error:
        raise PlaceInvalid(f"Not a place of data: {error.message}.") from error


def _spelled(kind: str, prefix: str) -> str:
    """Return a prefix in its one spelling."""
    if len(prefix) > MAX_PREFIX:
        raise PlaceInvalid(f"A prefix has at most {MAX_PREFIX} characters.")
    if kind == AllowedPlace.Kind.CODE:
        try:
            return str(parse_remote(prefix))
        except RemoteRefused as error:
            raise PlaceInvalid(f"Not a place of code: {error}.") from error
    try:
        return str(datasets.parse_location(prefix))
    except datasets.DatasetRefused as error:
        raise PlaceInvalid(f"Not a place of data: {error.message}.") from error
