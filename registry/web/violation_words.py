"""What a violation changed, and what to do about it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.violations import ARTIFACTS_CHANGED, ViolationStatus
from registry.models import RegistrySource, Violation
from registry.services.reverting import MAX_ATTEMPTS

STATE_WORDS = {
    "open": "Open",
    "undone": "Undone",
    "accepted": "Answered for",
    "superseded": "Superseded",
    "all": "All",
}
_BAD_FOR_GOOD = (
    "MLflow cannot bring this back. No gate of a version that it touches is passed any more, also "
    "when somebody answers for it: register a new version, and promote that one."
)
_FILES = (
    "Muniment cannot bring files back. Put them back as they were recorded, or register a new "
    "version: until then no gate of this one is passed, also when somebody answers for it."
)
_WHO = "Find out who can write there: MLflow does not record who made a change."


def changed_fields(violation: Violation) -> list[tuple[str, object, object]]:
    """Return each field that differs, with what it was and what it is; None where it was not."""
    before, after = _flat(violation.before), _flat(violation.after)
    return [
        (name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def next_steps(violation: Violation) -> list[str]:
    """Say what happens by itself, and what somebody has to do."""
    match ViolationStatus(violation.status):
        case ViolationStatus.UNDONE:
            return ["Nothing: what it changed is again as it was."]
        case ViolationStatus.SUPERSEDED:
            return ["Nothing here: a later change of the same thing took its place."]
        case ViolationStatus.ACCEPTED:
            stands = [] if violation.can_be_undone else [_BAD_FOR_GOOD]
            if violation.event == ARTIFACTS_CHANGED:
                stands = [_FILES]
            return [*stands, "Nothing alarms any more: somebody answers for it."]
    answer = "An admin answers for it, with a reason: then it alarms no more."
    if violation.event == ARTIFACTS_CHANGED:
        return [_FILES, _WHO, answer]
    if not violation.can_be_undone:
        return [_BAD_FOR_GOOD, _WHO, answer]
    return [_undoing(violation), _WHO, f"Or: {answer[:1].lower()}{answer[1:]}"]


def _undoing(violation: Violation) -> str:
    source = violation.registered_model.source
    if source.on_violation != RegistrySource.OnViolation.REVERT:
        return (
            f"Put it back in MLflow: {_put_back(violation)}. The next walk sees that and closes "
            f"this. Muniment does it itself where the source {source.name} is set to revert."
        )
    if violation.attempts >= MAX_ATTEMPTS:
        return (
            f"Muniment tried {violation.attempts} times to put it back and leaves it to you now: "
            f"{_put_back(violation)}."
        )
    return (
        "Where the model is enforced, Muniment puts it back by itself, and the walk after that "
        f"closes this. Otherwise put it back in MLflow: {_put_back(violation)}."
    )


def _put_back(violation: Violation) -> str:
    before = violation.before or {}
    if violation.alias:
        if not before:
            return f"take the alias {violation.alias} away"
        return f"point the alias {violation.alias} at version {before.get('version')}"
    if violation.event == "model.renamed":
        return f"rename it to {before.get('name')}"
    return "set what changed to what it was, as shown above"


def _flat(row: Mapping[str, Any] | None) -> dict[str, object]:
    return dict(_fields(row or {}))


def _fields(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if name == "tags" and isinstance(value, Mapping):
            yield from _fields(value, "tag ")
        else:
            yield f"{prefix}{name}", value
