"""Named groups of reviewers: who is asked to approve, beside every reviewer or instead of them.

A group is held as a role is, under a name that no role has: `group:model-risk`. So it is given by
two people, stated in the log, read again under the lock and written into a signature as one.
"""

from __future__ import annotations

import re
from typing import Final

PREFIX: Final = "group:"
# As PostgreSQL's constraint reads it too.
NAME: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
MAX_NAME: Final = 40
_NAME: Final = re.compile(NAME)


def is_group_name(name: str) -> bool:
    """Say whether a group may be called so: lower-case words joined by hyphens, 40 characters."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def group_role(name: str) -> str:
    """Return what the members of a group hold."""
    return f"{PREFIX}{name}"


def is_group(role: str) -> bool:
    """Say whether a role is the membership of a group."""
    return role.startswith(PREFIX) and is_group_name(role.removeprefix(PREFIX))


def role_text(role: str) -> str:
    """Return a role or a group as a sentence names it: `reviewer`, `the group model-risk`."""
    return f"the group {role.removeprefix(PREFIX)}" if is_group(role) else role
