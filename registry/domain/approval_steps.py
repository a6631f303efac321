"""Steps of approval: who is asked for now, and in which step a signed approval counts.

In order, the first step that is not complete is open; in any order, every one that is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from accounts.domain.groups import is_group
from registry.domain.policy import ApprovalStep


@dataclass(frozen=True, slots=True)
class StepResult:
    """What the signed reviews come to in one step: whom it asks for, and who approved in it."""

    title: str
    roles: tuple[str, ...]
    required: int
    approved_by: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Say whether enough people approved in it."""
        return len(self.approved_by) >= self.required

    def to_mapping(self) -> dict[str, object]:
        """Give the step as JSON-able values."""
        return {
            "title": self.title,
            "roles": list(self.roles),
            "required": self.required,
            "given": len(self.approved_by),
            "approved_by": list(self.approved_by),
        }


class Progress:
    """How far approvals have come through the steps of a policy; without steps, all count.

    Law: one more approval, by somebody who gave none, never leaves fewer of the steps complete.
    """

    def __init__(self, steps: tuple[ApprovalStep, ...], *, in_order: bool = True) -> None:
        self._steps = steps
        self._in_order = in_order
        self._people: list[list[str]] = [[] for _ in steps]

    def takes(self, person: str, role: str) -> bool:
        """Count an approval in a step that is open; False where none asks for its role.

        What comes after all are complete counts in the last one, as it does without steps.
        """
        if not self._steps:
            return True
        for place in self._open:
            if role in self._steps[place].roles:
                self._people[place].append(person)
                return True
        return False

    @property
    def results(self) -> tuple[StepResult, ...]:
        """Give what each step has come to."""
        return tuple(
            StepResult(step.title, step.roles, step.count, tuple(people))
            for step, people in zip(self._steps, self._people, strict=True)
        )

    @property
    def roles(self) -> tuple[str, ...]:
        """Give the roles that open steps ask for, groups first; none without steps.

        Whoever is in a group and in a role that are both asked for signs for the group, which
        fewer people can.
        """
        asked = dict.fromkeys(role for place in self._open for role in self._steps[place].roles)
        return tuple(sorted(asked, key=lambda role: not is_group(role)))

    @property
    def words(self) -> str:
        """Say of each open step how far it is, in a sentence."""
        return " ".join(map(self._words_of, self._open))

    def _words_of(self, place: int) -> str:
        step, people = self._steps[place], self._people[place]
        title = f" ({step.title})" if step.title else ""
        return f"Step {place + 1} of {len(self._steps)}{title} has {len(people)} of {step.count}."

    @property
    def _open(self) -> list[int]:
        """Return the places of the open steps; of the last one if all are complete."""
        counted = enumerate(zip(self._steps, self._people, strict=True))
        waiting = [place for place, (step, people) in counted if len(people) < step.count]
        last = [len(self._steps) - 1] if self._steps else []
        return (waiting[:1] if self._in_order else waiting) or last
