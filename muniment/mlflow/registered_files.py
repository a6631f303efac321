"""Which files belong to a registered version, read from the databases of the MLflow server.

Imported only inside an MLflow server, as :mod:`muniment.mlflow.store` is.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE
from mlflow.server.handlers import _get_model_registry_store, _get_tracking_store
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlLoggedModel, SqlRun

from muniment.governed import GovernedNames
from muniment.mlflow.destination import (
    Destination,
    Owner,
    Parts,
    WriteOnceFiles,
    is_specific,
    run_path,
)

logger = logging.getLogger("muniment.mlflow")

_IDS_A_QUERY = 500


class RegisteredFiles:
    """The files of the registered versions of governed models, as the registry has them now.

    One short query tells whether the registry is still what was read last; only then are the
    versions read again. Several servers on one database need nothing more to agree.

    Args:
        governed: whose models count.
        destination: where the files lie; versions with files elsewhere are not its business.
    """

    def __init__(self, governed: GovernedNames, destination: Destination) -> None:
        self._governed = governed
        self._destination = destination
        self._lock = threading.Lock()
        self._state: object = None
        self._files = WriteOnceFiles({})
        self._shared: set[Owner] = set()  # what the log has said once

    def current(self) -> WriteOnceFiles:
        """Return them.

        Raises:
            MlflowException: a database cannot be asked. Clients repeat the call after a while,
                which is what they should do.
        """
        try:
            engine = _engine(_get_model_registry_store())
            with engine.connect() as connection:
                statements_only = connection.execution_options(isolation_level="AUTOCOMMIT")
                # Read before the versions: what comes in between is read twice, never missed.
                state = tuple(statements_only.execute(_STATE).one())
                with self._lock:
                    if state != self._state:
                        versions = statements_only.execute(_VERSIONS).all()
                        self._files = WriteOnceFiles(self._owners(versions))
                        self._state = state
                    return self._files
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise MlflowException(
                "No artifact is written or deleted now: the registry, which knows what is"
                " registered, cannot be asked",
                TEMPORARILY_UNAVAILABLE,
            ) from error

    def _owners(self, versions: Sequence[Any]) -> dict[Parts, Owner]:
        governed = [row for row in versions if self._governed.covers_model(row.name)]
        run_files = _RunFiles({uri for row in governed for uri in _locations(row)})
        owners: dict[Parts, Owner] = {}
        for row in governed:
            owner = Owner(row.name, row.version)
            for uri in _locations(row):
                for parts in map(self._destination.locate, run_files.resolve(uri)):
                    if parts is not None and is_specific(parts):
                        owners.setdefault(parts, owner)
                    elif parts is not None and owner not in self._shared:
                        self._shared.add(owner)
                        logger.warning(
                            "%s is registered with the folder %r, which others share: its files"
                            " are not write-once",
                            owner,
                            "/".join(parts),
                        )
        return owners


class _RunFiles:
    """Where the files of runs lie, for versions that were registered as ``runs:/…``."""

    def __init__(self, uris: set[str]) -> None:
        self._places: dict[str, list[str]] = {}
        paths = {uri: path for uri in uris if (path := run_path(uri))}
        if not paths:
            return
        runs: dict[str, str] = {}
        models: dict[tuple[str, str], list[str]] = {}
        engine = _engine(_get_tracking_store())
        run: Any = SqlRun  # MLflow's columns are of type Never to mypy
        model: Any = SqlLoggedModel
        with engine.connect() as connection:
            for ids in _batches(sorted({run_id for run_id, _ in paths.values()})):
                of_runs = sqlalchemy.select(run.run_uuid, run.artifact_uri).where(
                    run.run_uuid.in_(ids)
                )
                runs.update((row.run_uuid, row.artifact_uri) for row in connection.execute(of_runs))
                of_models = sqlalchemy.select(
                    model.source_run_id, model.name, model.artifact_location
                ).where(model.source_run_id.in_(ids))
                for row in connection.execute(of_models):
                    models.setdefault((row.source_run_id, row.name), []).append(
                        row.artifact_location
                    )
        for uri, (run_id, parts) in paths.items():
            places = [runs[run_id]] if run_id in runs else []
            self._places[uri] = ["/".join((place, *parts)) for place in places]
            # MLflow reads a logged model of the run under its name, too.
            if parts:
                self._places[uri] += models.get((run_id, parts[0]), [])

    def resolve(self, uri: str) -> list[str]:
        """Return the addresses that ``uri`` stands for: itself, unless it names a run."""
        return self._places.get(uri, [uri])


def _locations(row: Any) -> Iterator[str]:
    """Yield where a version says that its files are; ``models:/…`` was resolved by MLflow."""
    yield from {uri for uri in (row.source, row.storage_location) if uri}


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while batch := list(itertools.islice(iterator, _IDS_A_QUERY)):
        yield batch


def _engine(store: Any) -> Any:
    engine = getattr(store, "engine", None)
    if engine is None:
        raise MlflowException(
            "No artifact is written or deleted: Muniment's artifacts guard needs MLflow's own"
            f" database stores, and this server has a {type(store).__name__}",
            PERMISSION_DENIED,
        )
    return engine


_version: Any = SqlModelVersion  # MLflow's columns are of type Never to mypy

# Versions are made, renamed and deleted with a new time each, or their number changes.
_STATE = sqlalchemy.select(
    sqlalchemy.func.count(),
    sqlalchemy.func.max(_version.creation_time),
    sqlalchemy.func.sum(_version.last_updated_time),
).select_from(_version)

_VERSIONS = sqlalchemy.select(
    _version.name, _version.version, _version.source, _version.storage_location
).where(_version.current_stage != STAGE_DELETED_INTERNAL)
