"""Which alarms concern whom, and what a notice about one says first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audits.domain.log_wording import alarm_title


@dataclass(frozen=True, slots=True)
class AlarmTopic:
    """What alarms with one beginning of their code are about.

    Attributes:
        kind: the kind of notice, by which people choose their e-mail.
        audience: the roles that are told.
    """

    kind: str
    audience: tuple[str, ...]


_LOG: Final = AlarmTopic("log", ("admin", "auditor"))
_REGISTRY: Final = AlarmTopic("registry", ("admin", "auditor", "reviewer"))
# An alarm of a family that is new tells those who can do something about it.
_OTHER: Final = AlarmTopic("registry", ("admin",))
_TOPICS: Final[Mapping[str, AlarmTopic]] = {"log": _LOG, "registry": _REGISTRY}
_SUBJECTS: Final[Mapping[str, str]] = {
    "registry.artifacts_unread": "Files that are served were not looked at for two days.",
    "registry.champion_lapsed": "What a champion was let through by has ended.",
    "registry.data_changed": "Data that a champion was trained on changed where it lies.",
    "registry.data_unread": "Data that a champion was trained on could not be read for two nights.",
    "registry.violations": "MLflow was changed without a grant.",
    "registry.rollbacks": "A rollback grant was used, and waits for its review.",
    "registry.unreachable": "MLflow cannot be read, so that changes there go unnoticed.",
    "registry.policy_retired": "The policy of a champion was retired.",
    "registry.withdrawn": "A dataset that a champion was made from was withdrawn.",
    "registry.torn": "MLflow contradicts itself, so that some changes there go unnoticed.",
}


def alarm_topic(code: str) -> AlarmTopic:
    """Return whom an alarm concerns, by the part of its code before the first dot."""
    return _TOPICS.get(code.partition(".")[0], _OTHER)


def alarm_subject(code: str) -> str:
    """Return what happened, in a sentence of ours: no name from outside is in it."""
    return _SUBJECTS.get(code) or alarm_title(code, "") or f"There is an alarm: {code}."
