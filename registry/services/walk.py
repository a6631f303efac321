"""One walk of MLflow: two list calls, joined."""

from __future__ import annotations

from dataclasses import replace

import structlog

from audits.models import LogEntry
from lineage.mlflow import MlflowClient
from registry.domain.identity import ModelIdentity, model_uri
from registry.domain.mirror import ModelRow, VersionRow, Walk
from registry.models import ModelVersion, RegisteredModel

logger = structlog.get_logger(__name__)

MAX_NAME = RegisteredModel._meta.get_field("name").max_length or 0
MAX_STREAM = LogEntry._meta.get_field("stream").max_length or 0
MAX_RUN_ID = ModelVersion._meta.get_field("run_id").max_length or 0


def walk_mlflow(client: MlflowClient) -> Walk:
    """Read every registered model, version and alias; prompts too, so that nothing hides.

    Raises:
        MlflowUnavailable: MLflow did not answer, or not with what it should.
    """
    # Versions first: a name deleted and made again between the two calls then shows as versions
    # older than their model, which the plan calls torn. The other way round they would look like
    # versions of the old model and be written into its history.
    listed = client.search_model_versions()
    models = client.search_registered_models()
    for name in sorted(listed.unread):
        logger.warning("mirror.versions_unread", name=name[:100])
    return Walk(
        models=tuple(
            ModelRow(
                name=row.name,
                creation_timestamp_ms=row.creation_timestamp,
                description=row.description,
                tags=row.tags,
                aliases={alias: int(number) for alias, number in row.aliases.items()},
            )
            for row in models
        ),
        versions=tuple(
            VersionRow(
                model_name=row.name,
                version=int(row.version),
                creation_timestamp_ms=row.creation_timestamp,
                run_id=row.run_id or "",
                source=row.source or "",
                status=row.status,
                stage=row.current_stage,
                description=row.description,
                tags=row.tags,
            )
            for row in listed.rows
        ),
        unread=listed.unread,
    )


def within_bounds(walk: Walk, *, source_name: str) -> Walk:
    """Return what of a walk can be mirrored; the rest is left out, with a line in the log.

    One model's extravagant name must not stop the mirror of all others. A run id that no run can
    have is cut: there is no such run either way.
    """
    models = []
    for row in walk.models:
        identity = ModelIdentity(row.creation_timestamp_ms, row.name)
        if len(row.name) > MAX_NAME or len(model_uri(source_name, identity)) > MAX_STREAM:
            logger.warning("mirror.name_too_long", name=row.name[:100])
            continue
        aliases = {name: to for name, to in row.aliases.items() if len(name) <= MAX_NAME}
        models.append(row if aliases == row.aliases else replace(row, aliases=aliases))
    left_out = {row.name for row in walk.models} - {row.name for row in models}
    versions = (row for row in walk.versions if row.model_name not in left_out)
    return Walk(
        models=tuple(models),
        versions=tuple(
            row if len(row.run_id) <= MAX_RUN_ID else replace(row, run_id=row.run_id[:MAX_RUN_ID])
            for row in versions
        ),
        unread=walk.unread,
    )
