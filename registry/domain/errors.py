"""The error root of `registry.domain`; every error has a stable `code`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class RegistryDomainError(Exception):
    """Root of every error that `registry.domain` raises on purpose."""

    code: ClassVar[str] = "registry_domain_error"


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One thing wrong with a policy document.

    `code` is stable; `path` says where (`gates[2].at_least`, empty for the document as a whole);
    `message` says what is wrong and `expected` what should stand there.
    """

    code: str
    path: str
    message: str
    expected: str


class PolicyError(RegistryDomainError):
    """A document is no policy; `problems` holds every reason that was found, never none."""

    code: ClassVar[str] = "policy_invalid"

    def __init__(self, problems: tuple[PolicyProblem, ...]) -> None:
        super().__init__(
            "; ".join(
                f"{problem.path or 'document'}: {problem.message} (expected {problem.expected})"
                for problem in problems
            )
        )
        self.problems = problems


class EmptyPolicy(PolicyError):
    """A policy without gates: it would allow everything, so it cannot be built."""

    code: ClassVar[str] = "policy_empty"
