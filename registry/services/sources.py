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
from muniment.attest.digest import Digest, canonical_json
from registry.errors import InvalidRequest, SourceUnusable
from registry.models import RegistrySource

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
    except (OSError, ValueError) as error:
        raise SourceUnusable(f"The source {source.name} cannot be used: {error}") from error


def webhook_secret_of(source: RegistrySource) -> str:
    """Return the secret that a source's deliveries are signed with; empty where there is none."""
    if source.name == settings.MUNIMENT_SOURCE and settings.WEBHOOK_SECRET:
        return str(settings.WEBHOOK_SECRET)
    return os.environ.get(source.webhook_secret_variable, "")


def _require_fields(source: RegistrySource) -> None:
    try:
        source.full_clean(validate_unique=False, exclude=["uri", "public_url"])
    except ValidationError as error:
        raise InvalidRequest("; ".join(error.messages)) from error
    for field in ("uri", "public_url"):
        _require_url(field, getattr(source, field), is_optional=field == "public_url")
    for field in (*_VARIABLES, "webhook_secret_variable"):
        variable = getattr(source, field)
        if variable and _VARIABLE.fullmatch(variable) is None:
            raise InvalidRequest(
                f"{field.replace('_', ' ')}: give the name of an environment variable "
                "(capitals, digits, underscores), never the credential itself."
            )
    for field in ("connect_timeout_seconds", "read_timeout_seconds"):
        if not 0 < getattr(source, field) <= 600:
            raise InvalidRequest(f"{field.replace('_', ' ')}: more than 0 and at most 600.")
    limit = source.hash_bytes_per_second
    if limit is not None and limit < 1024:
        raise InvalidRequest("hash bytes per second: at least 1024, or leave it out for no limit.")


def _require_url(field: str, url: str, *, is_optional: bool) -> None:
    if not url and is_optional:
        return
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidRequest(f"{field}: not an http or https URL.") from error
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        raise InvalidRequest(f"{field}: an http or https URL without query or fragment.")
    if parts.userinfo:
        raise InvalidRequest(
            f"{field}: no credentials in the URL. Name the environment variables that hold them."
        )


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
