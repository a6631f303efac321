"""Steps of approval: who is asked for now, and in which step a signed approval counts."""

from __future__ import annotations

from dataclasses import dataclass

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

    def __init__(self, steps: tuple[ApprovalStep, ...]) -> None:
        self._steps = steps
        self._people: list[list[str]] = [[] for _ in steps]

    def takes(self, person: str, role: str) -> bool:
        """Count an approval in the step that is open; False where that does not ask for its role.

        What comes after the last step is complete counts there, as it does without steps.
        """
        if not self._steps:
            return True
        place = self._open
        if role not in self._steps[place].roles:
            return False
        self._people[place].append(person)
        return True

    @property
    def results(self) -> tuple[StepResult, ...]:
        """Give what each step has come to."""
        return tuple(
            StepResult(step.title, step.roles, step.count, tuple(people))
            for step, people in zip(self._steps, self._people, strict=True)
        )

    @property
    def roles(self) -> tuple[str, ...]:
        """Give the roles that the open step asks for; none without steps."""
        return self._steps[self._open].roles if self._steps else ()

    @property
    def words(self) -> str:
        """Say which step is open, in a sentence."""
        step, people = self._steps[self._open], self._people[self._open]
        title = f" ({step.title})" if step.title else ""
        return (
            f"Step {self._open + 1} of {len(self._steps)}{title} has {len(people)} of {step.count}."
        )

    @property
    def _open(self) -> int:
        """Return the place of the first step that is not complete; of the last if all are."""
        for place, (step, people) in enumerate(zip(self._steps, self._people, strict=True)):
            if len(people) < step.count:
                return place
        return len(self._steps) - 1
