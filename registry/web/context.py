"""What the frame around every page shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.selectors import MOST_COUNTED, proposals_awaiting, unread_count
from registry.selectors.actions import promotions_awaiting
from registry.selectors.frame import (
    AlarmNotice,
    MirrorAge,
    alarm_notices,
    log_tree_size,
    mirror_ages,
)
from registry.selectors.violations import open_count

_SECTIONS = {
    "accounts": "notices",
    "credentials": "",
    "add-passkey": "",
    "add-codes": "",
    "confirm-codes": "",
    "remove-credential": "",
    "people": "people",
    "add-person": "people",
    "person": "people",
    "change-roles": "people",
    "deactivate-person": "people",
    "proposals": "people",
    "proposal": "people",
    "answer-proposal": "people",
    "audits": "log",
    "evidence": "models",
    "promotion": "promotions",
    "promotions": "promotions",
    "review": "promotions",
    "withdraw": "promotions",
    "say": "promotions",
    "raise-finding": "promotions",
    "answer-finding": "promotions",
    "close-finding": "promotions",
    "assign-reviewers": "promotions",
    "take-back": "promotions",
    "rollbacks": "promotions",
    "rollback": "promotions",
    "sign-rollback": "promotions",
    "review-rollback": "promotions",
    "violations": "violations",
    "violation": "violations",
    "accept-violation": "violations",
    "trace": "trace",
    "withdrawals": "trace",
    "withdrawal": "trace",
    "propose-withdrawal": "trace",
    "sign-withdrawal": "trace",
    "policies": "policies",
    "policy": "policies",
    "retire-policy": "policies",
    "compare-policies": "policies",
    "new-policy-draft": "policies",
    "start-policy-draft": "policies",
    "policy-draft": "policies",
    "edit-policy-draft": "policies",
    "publish-policy-draft": "policies",
}


def _release() -> str:
    try:
        return version("muniment")
    except PackageNotFoundError:
        return "unreleased"


@dataclass
class Frame:
    """Read only where a template asks, so that an error page needs no database."""

    request: HttpRequest
    release: str = _release()

    @cached_property
    def layout(self) -> str:
        """Name the page that an error is shown in: signed-in people keep their navigation."""
        person = getattr(self.request, "user", None)
        return "base.html" if isinstance(person, User) else "plain.html"

    @cached_property
    def section(self) -> str:
        """Name the part of the product that the page belongs to."""
        match = self.request.resolver_match
        if match is None:
            return ""
        return _SECTIONS.get(match.url_name or "", _SECTIONS.get(match.app_name, "models"))

    @cached_property
    def actions(self) -> int:
        """Count the promotions that wait for the signed-in person."""
        person = self.request.user
        return promotions_awaiting(person).count() if isinstance(person, User) else 0

    @cached_property
    def changes(self) -> int:
        """Count the changes that wait for the signed-in person to confirm."""
        person = self.request.user
        return proposals_awaiting(person, timezone.now()) if isinstance(person, User) else 0

    @cached_property
    def unread_notices(self) -> int:
        """Count what the signed-in person has not read, up to `MOST_COUNTED`."""
        person = self.request.user
        return unread_count(person) if isinstance(person, User) else 0

    @property
    def unread_words(self) -> str:
        """Write that count; many are only said to be many."""
        count = self.unread_notices
        return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"

    @cached_property
    def violations(self) -> int:
        """Count the violations that are open; whoever is signed in may read them."""
        return open_count()

    @cached_property
    def mirrors(self) -> tuple[MirrorAge, ...]:
        """Say of each registry source how fresh its mirror is."""
        return mirror_ages(timezone.now())

    @property
    def stale_mirrors(self) -> tuple[MirrorAge, ...]:
        """Give those of which people have to be told."""
        return tuple(age for age in self.mirrors if age.is_stale)

    @property
    def is_mlflow_read(self) -> bool:
        """Whether any source was ever read whole."""
        return any(age.walked_at is not None for age in self.mirrors)

    @cached_property
    def alarms(self) -> tuple[AlarmNotice, ...]:
        """List what is wrong with the log or in MLflow, for everybody to see."""
        return alarm_notices(timezone.now())

    @property
    def has_new_alarm(self) -> bool:
        """Tell whether an alarm is so new that it interrupts."""
        return any(notice.is_new for notice in self.alarms)

    @cached_property
    def tree_size(self) -> int:
        """Give the size of the newest signed tree."""
        return log_tree_size()


def page_frame(request: HttpRequest) -> dict[str, object]:
    """Give templates the frame; no query is made before one of its values is shown."""
    return {"frame": Frame(request)}
