"""What MLflow says, as values: rows of its registry, runs, logged models, webhooks.

Texts hold no NUL and no lone surrogate, so that they can be stored and written as JSON. Times
are milliseconds since 1970, as MLflow gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from muniment.governed import PROMPT_TAG


@dataclass(frozen=True, slots=True)
class RegisteredModelRow:
    """A registered model, or a prompt: they share MLflow's tables.

    Attributes:
        aliases: alias → version number.
        latest_version: the highest version number that is not deleted; 0 where there is none.
    """

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest_version: int = 0

    @property
    def is_prompt(self) -> bool:
        return is_prompt(self.tags)


@dataclass(frozen=True, slots=True)
class ModelVersionRow:
    """A version of a registered model. `run_id` and `source` are empty where MLflow has none.

    Aliases are not here: MLflow's search leaves them out of versions.
    """

    name: str
    version: int
    creation_timestamp: int
    run_id: str = ""
    source: str = ""
    current_stage: str = ""
    status: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        return is_prompt(self.tags)


@dataclass(frozen=True, slots=True)
class ListedVersions:
    """What a registry's versions were read as.

    Attributes:
        unread: the names that have, or may have, versions that are not among the rows.
    """

    rows: tuple[ModelVersionRow, ...]
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that a run logged with `mlflow.log_input`.

    Attributes:
        digest: MLflow's: at most 36 characters that the client chose, by default 32 bits of MD5
            over a sample of the rows.
        source: as MLflow wrote it, often JSON.
    """

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of training.

    Attributes:
        metrics: the last value of each; None where it is NaN or infinite.
        lifecycle_stage: ``active`` or ``deleted``.
        model_ids: the logged models that it says it made.
    """

    run_id: str
    artifact_uri: str
    status: str = ""
    lifecycle_stage: str = "active"
    start_time: int | None = None
    end_time: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    model_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model: MLflow's folder of model files, and the run that made it."""

    model_id: str
    artifact_uri: str
    source_run_id: str = ""
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """One name in a folder of artifacts. `size` is what the listing claims, in bytes."""

    name: str
    is_folder: bool
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where MLflow delivers registry events. The secret is never given back."""

    webhook_id: str
    name: str
    url: str
    events: tuple[tuple[str, str], ...]
    status: str = ""


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """What became of a test delivery: what the receiver answered, or why nothing did."""

    succeeded: bool
    response_status: int | None = None
    error: str = ""
    answer: str = ""


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Say whether MLflow takes what has these tags for a prompt, and leaves it out of searches."""
    return tags.get(PROMPT_TAG, "") == "true"
