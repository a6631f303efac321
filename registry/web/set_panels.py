"""What pages say of the evaluation set that a model is audited with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audits.models import Job
from registry.domain.policy import Policy
from registry.models import EvaluationSetBinding, RegisteredModel
from registry.selectors.evaluation_sets import count_audits, newest_binding

_STEPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "it begins",
        "evaluation_set": "reading the evaluation set",
        "training_data": "comparing it with the training data",
        "environment": "building the recorded environment",
        "model": "fetching the model",
        "predicting": "asking the model in the sandbox",
        "auditing": "counting what it decided",
    }
)


@dataclass(frozen=True, slots=True)
class SetPanel:
    """A model's evaluation set, and what is under way for one of its versions.

    Attributes:
        binding: None where no set is bound.
        most: how many audits the policy allows; None where it sets no bound.
        progress: where an audit under way stands, in words; empty where none is.
    """

    binding: EvaluationSetBinding | None
    audits: int
    most: int | None
    progress: str = ""

    @property
    def is_used_up(self) -> bool:
        """Tell whether the policy allows no more audits with this set."""
        return self.most is not None and self.audits >= self.most


def set_panel(
    registered_model: RegisteredModel, policy: Policy | None, jobs: Iterable[Job] = ()
) -> SetPanel:
    """Return what a page shows of a model's evaluation set.

    Args:
        policy: that is bound to the model.
        jobs: the open ones of the version that the page is about.
    """
    binding = newest_binding(registered_model)
    return SetPanel(
        binding=binding,
        audits=count_audits(binding.evaluation_set, registered_model) if binding else 0,
        most=policy.max_audits_per_set if policy else None,
        progress=next((_progress(job) for job in jobs if job.kind == Job.Kind.SET_AUDIT), ""),
    )


def _progress(job: Job) -> str:
    if job.status == Job.Status.QUEUED:
        again = f"; attempt {job.attempts + 1}" if job.attempts else ""
        return f"waiting for a worker{again}"
    return _STEPS.get(job.step, job.step)
