"""What is proposed: a change as plain values, and who stood behind it when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """A change that needs two people, before anybody has proposed it.

    Attributes:
        kind: names who applies it and how it is shown: ``policy.publish``.
        subject: what is changed, as the log names it; ``person:<id>`` where it gives something to
            a person, who then may not confirm it.
        content: everything that applying it needs, of JSON's types; what it replaces is part of
            it, so that a change of something else in between is noticed. No personal data.
    """

    kind: str
    subject: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a change is shown to whoever confirms it.

    Attributes:
        before, after: the same lines of text as they are and as they would be, side by side.
        path: a page of Muniment that tells more; may be empty.
        warning: what one should know before confirming; may be empty.
    """

    before: str
    after: str
    path: str = ""
    warning: str = ""
