"""How closely each model is watched, as admins say it by pattern."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest, canonical_json
from registry.domain.modes import Mode, PatternMode, mode_of
from registry.errors import InvalidRequest
from registry.models import ModeRule, RegisteredModel, RegistrySource
from registry.services.text import require_plain_text

MAX_PATTERN = 256


@dataclass(frozen=True)
class Watch:
    """The rules of one source, read once; the mode of each name is worked out once."""

    rules: tuple[PatternMode, ...]
    _known: dict[str, Mode] = field(default_factory=dict)

    def mode(self, name: str) -> Mode:
        """Return the mode of the model of this name."""
        if name not in self._known:
            self._known[name] = mode_of(name, self.rules, governed=settings.GOVERNED_MODELS)
        return self._known[name]

    def makes_violations(self, name: str) -> bool:
        """Say whether an unexplained change of this model is a violation."""
        return self.mode(name) is not Mode.OBSERVE


def watch_of(source_name: str) -> Watch:
    """Return the rules of a source as they are now."""
    rows = ModeRule.objects.filter(source=source_name).values_list("pattern", "mode")
    return Watch(tuple(PatternMode(pattern, Mode(mode)) for pattern, mode in rows))


def watches() -> dict[str, Watch]:
    """Return the rules of every source that has any, by the source's name."""
    rules: defaultdict[str, list[PatternMode]] = defaultdict(list)
    for source, pattern, mode in ModeRule.objects.values_list("source", "pattern", "mode"):
        rules[source].append(PatternMode(pattern, Mode(mode)))
    return {source: Watch(tuple(found)) for source, found in rules.items()}


@dataclass(frozen=True, slots=True)
class Covered:
    """A living model that a pattern matches: how it is watched now, and with a rule changed."""

    name: str
    before: Mode
    after: Mode


def covered_by(*, source: RegistrySource, pattern: str, mode: Mode | None) -> tuple[Covered, ...]:
    """Return the living models that a pattern matches, by name; nothing is written.

    Args:
        mode: what the pattern's rule would say; None: there would be no rule. A model's mode stays
            where a more literal pattern decides it.
    """
    now = watch_of(source.name)
    others = tuple(rule for rule in now.rules if rule.pattern != pattern)
    then = Watch((*others, PatternMode(pattern, mode)) if mode else others)
    return tuple(
        Covered(name, now.mode(name), then.mode(name))
        for name in living_names(source)
        if PatternMode(pattern, Mode.OBSERVE).covers(name)
    )


def living_names(source: RegistrySource) -> list[str]:
    """Return the names of a source's living models, in order."""
    living = RegisteredModel.objects.filter(source=source, gone_at__isnull=True)
    return list(living.order_by("name").values_list("name", flat=True))


@transaction.atomic(durable=True)
def set_mode(
    *, source: RegistrySource, pattern: str, mode: str, actor: Actor, now: datetime
) -> ModeRule:
    """Say how the models that match a pattern are watched from now on; the same twice is once.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: an empty or overlong pattern, or an unknown mode.
    """
    actor.require_role("set a mode", "admin")
    pattern = checked_pattern(pattern)
    try:
        wanted = Mode(mode)
    except ValueError as error:
        raise InvalidRequest("The mode is observe, warn or enforce.") from error
    RegistrySource.objects.select_for_update().get(pk=source.pk)
    held = ModeRule.objects.filter(source=source, pattern=pattern).first()
    if held is not None and held.mode == wanted:
        return held
    _state(source, pattern, held.mode if held else None, wanted.value, actor=actor, now=now)
    rule, _ = ModeRule.objects.update_or_create(
        source=source,
        pattern=pattern,
        defaults={"mode": wanted.value, "set_by_id": actor.id, "set_at": now},
    )
    return rule


def checked_pattern(pattern: str) -> str:
    """Return a pattern over names without the spaces around it.

    Raises:
        InvalidRequest: it is empty, too long, or cannot be stored.
    """
    pattern = pattern.strip()
    if not pattern:
        raise InvalidRequest("Give a pattern, for instance fraud-* or * for every model.")
    require_plain_text("pattern", pattern, MAX_PATTERN)
    return pattern


@transaction.atomic(durable=True)
def remove_mode(*, source: RegistrySource, pattern: str, actor: Actor, now: datetime) -> None:
    """Take a rule away; where there is none this does nothing.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: as `set_mode`.
    """
    actor.require_role("set a mode", "admin")
    pattern = checked_pattern(pattern)
    RegistrySource.objects.select_for_update().get(pk=source.pk)
    held = ModeRule.objects.filter(source=source, pattern=pattern).first()
    if held is not None:
        _state(source, pattern, held.mode, None, actor=actor, now=now)
        held.delete()


def _state(
    source: RegistrySource,
    pattern: str,
    before: str | None,
    after: str | None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    rule = {"source": source.name, "pattern": pattern}
    append_statement(
        event=Event.MODE_SET,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"source:{source.name}",
        subject_digest=Digest.of_bytes(canonical_json(rule)),
        predicate={
            "before": {"mode": before} if before else None,
            "after": {"mode": after} if after else None,
            "detail": rule,
        },
        stream=None,
        actor=actor,
        now=now,
    )
