"""Registry sources: MLflow servers, how each is reached, and clients of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from lineage.mlflow import Access, MlflowClient, Patience
from lineage.services.places import access_of, allowed_remotes
from muniment.attest.digest import Digest, canonical_json
from registry.errors import InvalidRequest, SourceInUse, SourceUnusable, UnknownSource
from registry.models import RegisteredModel, RegistrySource

MAX_URL = RegistrySource._meta.get_field("uri").max_length or 0
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
_VARIABLES = ("username_variable", "password_variable", "token_variable")
# What MLflow's own clients read; the default source is reached as they would reach it.
DEFAULT_VARIABLES = {
    "username_variable": "MLFLOW_TRACKING_USERNAME",
    "password_variable": "MLFLOW_TRACKING_PASSWORD",
    "token_variable": "MLFLOW_TRACKING_TOKEN",
}


def ensure_source(*, name: str, uri: str) -> RegistrySource:
    """Return the registry source of this name, pointing at `uri`; credentials in it stay out."""
    shown = _without_credentials(uri)
    source, _ = RegistrySource.objects.get_or_create(name=name, defaults={"uri": shown})
    if source.uri != shown:
        source.uri = shown
        source.save(update_fields=["uri"])
    return source


def default_source() -> RegistrySource:
    """Return the source that the environment names: `MUNIMENT_SOURCE` at `MLFLOW_TRACKING_URI`."""
    return ensure_source(name=settings.MUNIMENT_SOURCE, uri=settings.MLFLOW_TRACKING_URI)


def find_source(name: str | None = None) -> RegistrySource:
    """Return the registry source of this name; the default one without a name.

    Raises:
        UnknownSource: there is none.
    """
    if name is None or name == settings.MUNIMENT_SOURCE:
        return default_source()
    found = RegistrySource.objects.filter(pk=name).first() if "\0" not in name else None
    if found is None:
        raise UnknownSource(
            f"There is no registry source {name!r}. `manage.py registry list` names those that "
            "there are, `manage.py registry add` adds one."
        )
    return found


@transaction.atomic(durable=True)
def add_source(*, source: RegistrySource, actor: Actor, now: datetime) -> RegistrySource:
    """Add a registry source, or change how a known one is reached and watched.

    The log keeps the names of the variables that hold credentials, never what they hold.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: a malformed field; the message says which and what is expected.
    """
    actor.require_role("add a registry source", "admin")
    _require_fields(source)
    if source.name == settings.MUNIMENT_SOURCE and source.uri != default_source().uri:
        raise InvalidRequest(
            f"The address of the source {source.name} is MLFLOW_TRACKING_URI of Muniment's "
            "processes: change it there. Give another registry another name."
        )
    held = RegistrySource.objects.select_for_update().filter(pk=source.name).first()
    before = connection_of(held) if held else None
    after = connection_of(source)
    if before == after:
        return source
    append_statement(
        event=Event.SOURCE_ADDED if held is None else Event.SOURCE_CHANGED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"source:{source.name}",
        subject_digest=Digest.of_bytes(canonical_json(after)),
        predicate={"before": before, "after": after},
        stream=None,
        actor=actor,
        now=now,
    )
    if held is None:
        source.save(force_insert=True)
    else:
        source.save(update_fields=list(after))
    return source


@transaction.atomic(durable=True)
def remove_source(*, source: RegistrySource, actor: Actor, now: datetime) -> None:
    """Forget a registry source of which the mirror holds nothing, one added by mistake.

    Raises:
        RoleRequired: the actor is no admin.
        SourceInUse: it is the default one, or the mirror has models of it, living or gone; what
            was stated about them names it; or places are allowed for it.
    """
    actor.require_role("remove a registry source", "admin")
    held = RegistrySource.objects.select_for_update().get(pk=source.pk)
    if held.name == settings.MUNIMENT_SOURCE:
        raise SourceInUse(
            f"The source {held.name} is the one that MUNIMENT_SOURCE names; it comes back with "
            "the next walk."
        )
    if RegisteredModel.objects.filter(source=held).exists():
        raise SourceInUse(
            f"The mirror has models of the source {held.name}, and what the log says of them names "
            "it, so it stays. To have Muniment do no more than look on, give it the mode observe: "
            f"`manage.py registry mode '*' observe --source {held.name} --as ADMIN`."
        )
    if access_of(held.name).places or allowed_remotes(held.name):
        raise SourceInUse(
            f"Places are allowed for data or code of the source {held.name}, and would be for "
            "another of its name: take them back first, `manage.py places list` names them."
        )
    append_statement(
        event=Event.SOURCE_REMOVED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"source:{held.name}",
        subject_digest=Digest.of_bytes(canonical_json(connection_of(held))),
        predicate={"before": connection_of(held), "after": None},
        stream=None,
        actor=actor,
        now=now,
    )
    held.mode_rules.all().delete()
    held.delete()


def connection_of(source: RegistrySource) -> dict[str, object]:
    """Return how a source is reached and watched, as the log states it."""
    return {
        "uri": source.uri,
        "public_url": source.public_url,
        **{variable: getattr(source, variable) for variable in _VARIABLES},
        "webhook_secret_variable": source.webhook_secret_variable,
        "ca_bundle": source.ca_bundle,
        "connect_timeout_seconds": source.connect_timeout_seconds,
        "read_timeout_seconds": source.read_timeout_seconds,
        "hash_bytes_per_second": source.hash_bytes_per_second,
        "on_violation": str(source.on_violation),
    }


def client_of(source: RegistrySource, *, pace: Callable[[int], None] | None = None) -> MlflowClient:
    """Return a client of a source's MLflow server.

    Args:
        pace: told the size of every piece of an artifact that was read; it may wait.

    Raises:
        SourceUnusable: a variable or file that the source names is not there. Nothing was asked.
    """
    is_default = source.name == settings.MUNIMENT_SOURCE
    uri = settings.MLFLOW_TRACKING_URI if is_default else source.uri
    names = {
        field: getattr(source, field) or (DEFAULT_VARIABLES[field] if is_default else "")
        for field in _VARIABLES
    }
    found = {field: os.environ.get(name, "") for field, name in names.items() if name}
    for field in _VARIABLES:
        if getattr(source, field) and not found.get(field):
            raise SourceUnusable(
                f"The source {source.name} names the environment variable "
                f"{getattr(source, field)}, which this process was not given."
            )
    try:
        return MlflowClient(
            uri,
            patience=Patience(
                connect_timeout_seconds=source.connect_timeout_seconds,
                read_timeout_seconds=source.read_timeout_seconds,
            ),
            access=Access(
                username=found.get("username_variable", ""),
                password=found.get("password_variable", ""),
                token=found.get("token_variable", ""),
                ca_bundle=source.ca_bundle,
            ),
            pace=pace,
        )
    except OSError as error:
        raise SourceUnusable(
            f"The CA bundle {source.ca_bundle} of the source {source.name} cannot be read: {error}"
        ) from error
    except ValueError as error:
        raise SourceUnusable(f"The source {source.name} cannot be used: {error}") from error


def webhook_secret_of(source: RegistrySource) -> str:
    """Return the secret that a source's deliveries are signed with; empty where there is none."""
    if source.name == settings.MUNIMENT_SOURCE and settings.WEBHOOK_SECRET:
        return str(settings.WEBHOOK_SECRET)
    return os.environ.get(source.webhook_secret_variable, "")


def webhook_secret_named(name: str | None) -> str:
    """Return the secret of the source of this name, the default one without; empty: there is none.

    Nothing is written: strangers may ask.
    """
    name = name or settings.MUNIMENT_SOURCE
    source = RegistrySource.objects.filter(pk=name).first()
    if source is None and name == settings.MUNIMENT_SOURCE:
        source = RegistrySource(name=name)  # not walked yet
    return webhook_secret_of(source) if source else ""


def _require_fields(source: RegistrySource) -> None:
    checked = {"name", *connection_of(source)} - {"uri", "public_url", "hash_bytes_per_second"}
    try:
        source.clean_fields(exclude={field.name for field in source._meta.fields} - checked)
    except ValidationError as error:
        raise InvalidRequest(
            " ".join(
                f"{field.replace('_', ' ')}: {' '.join(words)}"
                for field, words in error.message_dict.items()
            )
        ) from error
    _require_url("uri", source.uri)
    if source.public_url:
        _require_url("public_url", source.public_url)
    for field in (*_VARIABLES, "webhook_secret_variable"):
        variable = getattr(source, field)
        if variable and _VARIABLE.fullmatch(variable) is None:
            raise InvalidRequest(
                f"{field.replace('_', ' ')}: give the name of an environment variable "
                "(capitals, digits, underscores), never the credential itself."
            )
    if source.ca_bundle and not source.ca_bundle.startswith("/"):
        raise InvalidRequest("ca bundle: give the absolute path of a PEM file.")
    for field in ("connect_timeout_seconds", "read_timeout_seconds"):
        if not 0 < getattr(source, field) <= 600:
            raise InvalidRequest(f"{field.replace('_', ' ')}: more than 0 and at most 600.")
    limit = source.hash_bytes_per_second
    if limit is not None and not 1024 <= limit < 2**63:
        raise InvalidRequest("hash bytes per second: at least 1024, or leave it out for no limit.")


def _require_url(field: str, url: str) -> None:
    words = field.replace("_", " ")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidRequest(f"{words}: not an http or https URL.") from error
    if parts.userinfo:
        raise InvalidRequest(
            f"{words}: no credentials in the URL. Name the environment variables that hold them."
        )
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        raise InvalidRequest(f"{words}: an http or https URL without query or fragment.")
    if len(url) > MAX_URL:
        raise InvalidRequest(f"{words}: at most {MAX_URL} characters.")


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
