"""A registered version as its lineage is collected: a frozen picture of the mirror's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VersionSnapshot:
    """What the mirror knows of one version.

    Attributes:
        version_uri: the mirror identity, ``muniment://…/versions/<n>``.
        stream: the model URI.
        run_id: as the registry claims it; nothing in MLflow checks the claim.
        source_uri: where the registry says that the files lie (``models:/m-…``).
        tags: of the registry's version, not of its run.
    """

    source_name: str
    model_name: str
    version: int
    version_uri: str
    stream: str
    run_id: str | None
    source_uri: str | None
    creation_timestamp_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
