"""MLflow's SQL registry store with the gatekeeper in front of every public method.

Imported only inside an MLflow server: ``import mlflow`` takes seconds.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import flask
import mlflow
import sqlalchemy
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE
from mlflow.server.constants import READ_REPLICA_BACKEND_STORE_URI_ENV_VAR
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelTag,
)
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from muniment.governed import PROMPT_SOURCES, PROMPT_TAG, fold, is_prompt_tag
from muniment.grant import HEADER
from muniment.mlflow.gatekeeper import ChangeRefused, Gatekeeper, Permit
from muniment.mlflow.methods import JUDGED, TESTED_MLFLOW_VERSIONS, unclassified_methods
from muniment.mlflow.rollback import NotAsGranted, move_back
from muniment.mlflow.rules import NameKind, RegistryCall
from muniment.mlflow.settings import GATEKEEPER_SECRET, Settings, SettingsError
from muniment.registrant import REGISTRANT_TAG

logger = logging.getLogger("muniment.mlflow")


def open_store(database_uri: str) -> Any:
    """Open MLflow's registry store on ``database_uri`` behind the gatekeeper.

    Raises:
        MlflowException: the environment cannot be enforced as it stands.
    """
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise MlflowException(
            f"Muniment's gatekeeper does not start: {error}", INVALID_STATE
        ) from error
    if MLFLOW_ENABLE_WORKSPACES.get():  # type: ignore[no-untyped-call]  # MLflow has no types here
        # Deleting a workspace deletes or moves its models without asking the registry store.
        raise MlflowException(
            "Muniment's gatekeeper does not start: MLFLOW_ENABLE_WORKSPACES is on, and MLflow"
            " deletes and moves the models of a workspace past the registry store",
            INVALID_STATE,
        )
    _log_start(settings)
    gatekeeper = Gatekeeper(settings, clock=lambda: datetime.now(UTC))
    store_class = governed_class(SqlAlchemyStore, gatekeeper)
    store = store_class(
        database_uri, read_db_uri=os.environ.get(READ_REPLICA_BACKEND_STORE_URI_ENV_VAR)
    )
    gatekeeper.tell_guarding(mlflow.__version__)
    return store


def governed_class(store_class: type[Any], gatekeeper: Gatekeeper) -> type[Any]:
    """Derive from MLflow's store a class whose public methods ask ``gatekeeper``.

    Judged methods are let through or refused; methods that nobody has classified are refused;
    reads, descriptions and webhooks are inherited untouched and cost nothing.
    """
    guarded: dict[str, Any] = {
        name: _judged(getattr(store_class, name), gatekeeper)
        for name in JUDGED
        if hasattr(store_class, name)
    }
    for name, reason in unclassified_methods(store_class, AbstractStore).items():
        logger.warning("every call of %s is refused: %s", name, reason)
        guarded[name] = _refused(name, reason, gatekeeper)
    return type(f"Governed{store_class.__name__}", (store_class,), guarded)


def kind_of_name(store: Any, name: str) -> NameKind:
    """Say what a registered name stands for, by its rows in the primary database.

    The prompt tag alone proves nothing, because setting it hides a model: every version must be
    a prompt's, which has a placeholder for a source and so nothing that could be loaded.
    """
    asked = {"registered": name, "workspace_name": store._get_active_workspace()}
    try:
        with store.engine.connect() as connection:
            # One round trip, because every new model version waits for it.
            statement_only = connection.execution_options(isolation_level="AUTOCOMMIT")
            found = statement_only.execute(_kind_query(), asked).first()
    except sqlalchemy.exc.OperationalError as error:
        # As MLflow's own sessions answer when the database cannot be reached.
        raise MlflowException("the registry's database failed", TEMPORARILY_UNAVAILABLE) from error
    if found is None or str(found[0]).lower() != "true":
        return NameKind.MODEL
    # A value other than MLflow's own spelling is a prompt to one half of MLflow only.
    return NameKind.MIXED if found[1] or found[0] != "true" else NameKind.PROMPT


@functools.cache
def _kind_query() -> Any:
    """Ask for a name's prompt tag, and whether it has a version that is no prompt's.

    Built once: building it takes longer than the database does to answer it.
    """
    name: Any = sqlalchemy.bindparam("registered")
    workspace: Any = sqlalchemy.bindparam("workspace_name")
    tag: Any = SqlRegisteredModelTag  # MLflow's columns are of type Never to mypy
    version: Any = SqlModelVersion
    version_tag: Any = SqlModelVersionTag
    is_tagged = sqlalchemy.exists().where(
        version_tag.workspace == version.workspace,
        version_tag.name == version.name,
        version_tag.version == version.version,
        version_tag.key == PROMPT_TAG,
        version_tag.value == "true",
    )
    has_other = sqlalchemy.exists().where(
        version.workspace == workspace,
        version.name == name,
        version.current_stage != STAGE_DELETED_INTERNAL,
        version.source.is_(None)
        | version.source.not_in(PROMPT_SOURCES)
        | ~is_tagged.correlate(version),
    )
    return sqlalchemy.select(tag.value, has_other).where(
        tag.workspace == workspace, tag.name == name, tag.key == PROMPT_TAG
    )


def _judged(method: Callable[..., Any], gatekeeper: Gatekeeper) -> Callable[..., Any]:
    signature = inspect.signature(method)
    name = method.__name__

    @functools.wraps(method)
    def judged(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        if bound.arguments.get("tags") is not None:
            # Read once: what is judged is what is stored.
            bound.arguments["tags"] = list(bound.arguments["tags"])
        if name == "create_model_version":
            _drop_registrant(bound.arguments)
        call = RegistryCall.from_arguments(name, bound.arguments)
        try:
            permit = gatekeeper.admit(
                call, kind_of_name=functools.partial(kind_of_name, self), token=_request_token
            )
            if permit is None:
                if name == "create_model_version":
                    _seal_registrant(bound.arguments, gatekeeper)
                return method(*bound.args, **bound.kwargs)
            # MLflow's own "not found" comes before the grant is used up.
            if call.version:
                self.get_model_version(call.name, call.version)
            if permit.is_rollback:
                return _roll_back(self, call, permit, gatekeeper)
            gatekeeper.reserve(call, permit)
        except ChangeRefused as refusal:
            gatekeeper.tell_refusal(call, refusal.why, request_user())
            # 403: the client repeats 408, 429 and 5xx, and this answer will not change.
            raise MlflowException(str(refusal), PERMISSION_DENIED) from refusal
        outcome = method(*bound.args, **bound.kwargs)
        gatekeeper.confirm(permit)
        return outcome

    return judged


def _drop_registrant(arguments: dict[str, Any]) -> None:
    """Take away what a client says of who registers: a copied version brings its model's tag."""
    if arguments.get("tags"):
        arguments["tags"] = [
            tag for tag in arguments["tags"] if fold(str(tag.key)) != REGISTRANT_TAG
        ]


def _seal_registrant(arguments: dict[str, Any], gatekeeper: Gatekeeper) -> None:
    """Have the new version's row say who registers it; nothing where nobody signed in."""
    tags = arguments.get("tags") or []
    if any(is_prompt_tag(str(tag.key)) for tag in tags):
        return
    sealed = gatekeeper.seal_registrant(
        request_user(), model=str(arguments["name"]), location=str(arguments["source"])
    )
    if sealed is not None:
        tag = ModelVersionTag(REGISTRANT_TAG, sealed)  # type: ignore[no-untyped-call]
        arguments["tags"] = [*tags, tag]


def _roll_back(store: Any, call: RegistryCall, permit: Permit, gatekeeper: Gatekeeper) -> None:
    try:
        move_back(store, permit.grant, now=permit.admitted_at)
    except NotAsGranted as error:
        raise gatekeeper.refuse_rollback(call, permit, error.message) from error
    # A warning, because MLflow's logging shows nothing below it for other packages.
    logger.warning("rollback grant %s was carried out", permit.grant.grant_id)


def _refused(name: str, reason: str, gatekeeper: Gatekeeper) -> Callable[..., Any]:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        unread = RegistryCall(method=name, name="")  # nobody knows what its arguments mean
        gatekeeper.tell_refusal(unread, f"the gatekeeper cannot judge it: {reason}", request_user())
        raise MlflowException(
            f"{name} is refused: Muniment's gatekeeper cannot judge it, because {reason} in"
            f" MLflow {mlflow.__version__}; update the muniment package of this MLflow server",
            PERMISSION_DENIED,
        )

    refused.__name__ = name
    return refused


def _request_token() -> str | None:
    """Return the grant header of the current HTTP request; None without one, or a request.

    Several such headers arrive as one value with commas, which is no token.
    """
    if not flask.has_request_context():
        return None
    return flask.request.headers.get(HEADER)


def request_user() -> str:
    """Return who MLflow's basic-auth says is asking; empty without it, or without a request."""
    if not flask.has_request_context():
        return ""
    return str(flask.g.get("mlflow_authenticated_user") or "")


def _log_start(settings: Settings) -> None:
    if mlflow.__version__ not in TESTED_MLFLOW_VERSIONS:
        logger.warning(
            "the gatekeeper was not tested with MLflow %s (tested: %s); what it does not know, it"
            " refuses",
            mlflow.__version__,
            ", ".join(sorted(TESTED_MLFLOW_VERSIONS)),
        )
    for problem in settings.problems:
        logger.error("%s: every governed change is refused, ordinary ones go on", problem)
    # A warning, because MLflow's logging shows nothing below it for other packages.
    if not settings.secret:
        logger.warning("%s is not set: Muniment is not told of refusals", GATEKEEPER_SECRET)
    logger.warning(
        "the gatekeeper is on for source %r: models %s, aliases %s",
        settings.source,
        ", ".join(settings.governed.models),
        ", ".join(settings.governed.aliases),
    )
