"""Carrying out a rollback grant: the alias moves and the grant is used up, or neither happens.

Nobody is asked. The grant is counted in MLflow's own database, as a tag of the registered model,
in the transaction that moves the alias: the tag's primary key makes the grant single-use, and the
gatekeeper lets nobody set or delete a tag of that name.

Imported only inside an MLflow server, as :mod:`muniment.mlflow.store` is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.dbmodels.models import (
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)

from muniment.grant import Grant, RollbackUse, rollback_tag


class NotAsGranted(MlflowException):  # which alone MLflow's sessions pass on as it was raised
    """The alias is not where the grant says, or the grant was used before. Nothing was changed."""

    code = "gatekeeper.not_as_granted"

    def __init__(self, why: str) -> None:
        super().__init__(why, PERMISSION_DENIED)


def move_back(store: Any, grant: Grant, *, now: datetime) -> None:
    """Move the granted alias to the granted version, once, in one transaction.

    Two at once, in one server or in several, come to one move: the second waits for the first at
    the tag's primary key, or finds that the alias is no longer where it was.

    Args:
        store: MLflow's SQL registry store.
        grant: a verified rollback grant, for a version that exists.
        now: with a UTC offset; the tag says it.

    Raises:
        NotAsGranted: the grant was used before, or the alias holds another version than
            ``from_version``.
    """
    tag: Any = SqlRegisteredModelTag  # MLflow's columns are of type Never to mypy
    alias: Any = SqlRegisteredModelAlias
    workspace = store._get_active_workspace()
    from_version, to_version = int(grant.from_version or 0), int(grant.version)
    use = sqlalchemy.insert(tag).values(
        workspace=workspace,
        name=grant.model,
        key=rollback_tag(grant.grant_id),
        value=RollbackUse(from_version, to_version, now).to_tag_value(),
    )
    move = (
        sqlalchemy.update(alias)
        .where(
            alias.workspace == workspace,
            alias.name == grant.model,
            alias.alias == grant.alias,
            alias.version == from_version,
        )
        .values(version=to_version)
        .execution_options(synchronize_session=False)
    )
    with store.ManagedSessionMaker(read_only=False) as session:
        try:
            session.execute(use)
        except sqlalchemy.exc.IntegrityError as error:
            raise NotAsGranted("its rollback grant was used before") from error
        if session.execute(move).rowcount != 1:
            raise NotAsGranted(
                "its rollback grant holds only while the alias points to version"
                f" {from_version}, and it does not now"
            )
