"""One walk of MLflow: two list calls, joined."""

from __future__ import annotations

from lineage.mlflow import MlflowClient
from registry.domain.mirror import ModelRow, VersionRow, Walk


def walk_mlflow(client: MlflowClient) -> Walk:
    """Read every registered model, version and alias; prompts too, so that nothing hides.

    Raises:
        MlflowUnavailable: MLflow did not answer, or not with what it should.
    """
    # Versions first: a name deleted and made again between the two calls then shows as versions
    # older than their model, which the plan calls torn. The other way round they would look like
    # versions of the old model and be written into its history.
    versions = client.search_model_versions()
    models = client.search_registered_models()
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
            for row in versions
        ),
    )
