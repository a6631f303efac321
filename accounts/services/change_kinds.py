"""The kinds of change that need two people; each app says how its own are made and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.domain.change import Shown
from accounts.errors import ProposalInvalid
from accounts.models import ProposalAnswer
from audits.domain.actor import Actor

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """How the changes of one kind are made, by the services that always make them.

    Attributes:
        name: as it stands in proposals: ``policy.publish``.
        words: what one does, as "… needs a second person": ``publish a policy``.
        apply: make the change; called with its content, the saved answer that confirms it (None
            where one person is enough), the actor and the moment, inside a transaction. It raises
            ProposalOutdated where what it replaces is not what the content says, and returns what
            whoever confirmed it is to be told, in a sentence.
        title: say what would happen in one line, of the content and of the names of people by
            their pseudonymous id alone: lists call it for each of theirs.
        show: show all of it; what exists no more must not stop it.
        by_oneself: whoever proposes it need not be an admin, for it is about themselves.
        around: what has to be held before the transaction begins.
    """

    name: str
    words: str
    apply: Callable[[Content, ProposalAnswer | None, Actor, datetime], str]
    title: Callable[[Content, Mapping[str, str]], str]
    show: Callable[[Content], Shown]
    by_oneself: bool = False
    around: Callable[[Content], AbstractContextManager[None]] = lambda _: nullcontext()


_KINDS: dict[str, ChangeKind] = {}


def offer_kinds(*kinds: ChangeKind) -> None:
    """Make kinds known, once an app is ready; the same name again takes the place of the first."""
    _KINDS.update({kind.name: kind for kind in kinds})


def kind_named(name: str) -> ChangeKind:
    """Return a kind by its name.

    Raises:
        ProposalInvalid: nothing of that name can be proposed.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise ProposalInvalid(f"There is no change of the kind {name!r}.")
    return kind
