"""The MLflow REST API, as far as Muniment uses it. Routes as MLflow 3.17.2 has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lineage.domain.artifact_names import quote_path
from lineage.domain.hidden import find_hidden
from lineage.domain.rows import (
    ListedVersions,
    LoggedModel,
    ModelVersionRow,
    RegisteredModelRow,
    Run,
    Webhook,
    WebhookDelivery,
)
from lineage.errors import ArtifactMissing, MlflowGarbage, MlflowMissing, MlflowRefused
from lineage.mlflow import parsing
from lineage.mlflow.artifact_proxy import MAX_ARTIFACT_BYTES, ArtifactProxy
from lineage.mlflow.transport import Access, Patience, Transport
from lineage.mlflow.walk import pages, walk
from muniment.change import RegistryChange
from muniment.grant import HEADER as GRANT_HEADER

_MODELS_A_PAGE: Final = 1_000
_VERSIONS_A_PAGE: Final = 200_000
_MODEL_TAG: Final = {"name": "name", "key": "tag_key"}
_VERSION_TAG: Final = {**_MODEL_TAG, "version": "version"}
# Method of MLflow's registry store → HTTP method, route, and member of the body → of the change.
_CHANGES: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "set_registered_model_alias": (
        "POST",
        "registered-models/alias",
        {"name": "name", "alias": "alias", "version": "version"},
    ),
    "delete_registered_model_alias": (
        "DELETE",
        "registered-models/alias",
        {"name": "name", "alias": "alias"},
    ),
    "rename_registered_model": (
        "POST",
        "registered-models/rename",
        {"name": "name", "new_name": "new_name"},
    ),
    "transition_model_version_stage": (
        "POST",
        "model-versions/transition-stage",
        {"name": "name", "version": "version", "stage": "stage"},
    ),
    "set_registered_model_tag": (
        "POST",
        "registered-models/set-tag",
        {**_MODEL_TAG, "value": "tag_value"},
    ),
    "delete_registered_model_tag": ("DELETE", "registered-models/delete-tag", _MODEL_TAG),
    "set_model_version_tag": (
        "POST",
        "model-versions/set-tag",
        {**_VERSION_TAG, "value": "tag_value"},
    ),
    "delete_model_version_tag": ("DELETE", "model-versions/delete-tag", _VERSION_TAG),
}


class MlflowClient(ArtifactProxy):
    """A client of one MLflow server.

    Every method may raise MlflowUnavailable (no answer; MlflowGarbage: not MLflow's answer) and
    MlflowRefused. Reads are repeated with backoff; a write is repeated only where the server
    cannot have acted on it.

    Args:
        tracking_uri: ``http(s)://…``; a path and credentials in it are kept.
        pace: told the size of every piece of an artifact as it comes; it may wait.

    Raises:
        ValueError: another scheme, or no host. OSError: the CA bundle cannot be read.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        patience: Patience | None = None,
        access: Access | None = None,
        pace: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(Transport(tracking_uri, patience or Patience(), access), pace)

    # The registry, in whole.

    def search_registered_models(self) -> tuple[RegisteredModelRow, ...]:
        """Return every registered model and every prompt, with tags and aliases."""
        return walk(
            self._transport,
            "/mlflow/registered-models/search",
            rows="registered_models",
            page_size=_MODELS_A_PAGE,
            parse=parsing.registered_model,
            key=lambda row: row.name,
        )

    def search_model_versions(self) -> ListedVersions:
        """Return every version of every registered model and prompt, without aliases.

        A version with the prompt tag hides all its siblings from MLflow's searches; those are
        asked for one by one, while they are few.
        """
        versions = walk(
            self._transport,
            "/mlflow/model-versions/search",
            rows="model_versions",
            page_size=_VERSIONS_A_PAGE,
            parse=parsing.model_version,
            key=lambda row: (row.name, row.version),
        )
        if not any(row.is_prompt for row in versions):
            return ListedVersions(versions)
        hidden = find_hidden(self.search_registered_models(), versions)
        found = []
        for name, number in hidden.asked:
            try:
                found.append(self.get_model_version(name, number))
            except MlflowMissing:
                continue  # deleted
        return ListedVersions((*versions, *found), hidden.unread)

    def get_model_version(self, name: str, version: int) -> ModelVersionRow:
        """Return one version.

        Raises:
            MlflowMissing: there is none.
        """
        answer = self._transport.get_json(
            "/mlflow/model-versions/get", {"name": name, "version": str(version)}
        )
        return parsing.model_version(_object(answer, "model_version"))

    # Aliases.

    def get_version_by_alias(self, name: str, alias: str) -> ModelVersionRow | None:
        """Return the version that an alias names; None where nothing has the alias."""
        try:
            answer = self._transport.get_json(
                "/mlflow/registered-models/alias", {"name": name, "alias": alias}
            )
        except MlflowMissing:
            return None
        except MlflowRefused as error:
            # MLflow 3.17 answers 400 for an alias that is not there.
            if f"alias {alias} not found" in str(error):
                return None
            raise
        return parsing.model_version(_object(answer, "model_version"))

    def get_alias(self, name: str, alias: str) -> int | None:
        """Return the number of the version that an alias names; None where nothing has it."""
        found = self.get_version_by_alias(name, alias)
        return None if found is None else found.version

    def set_alias(self, name: str, alias: str, version: int, *, grant: str | None = None) -> None:
        """Point an alias at a version.

        Args:
            grant: the token of the grant that permits it, for an alias that is governed.

        Raises:
            MlflowRefused: the registry store refused; its sentence is the message.
            MlflowUnavailable: nobody knows whether it was done: read the alias.
        """
        self.change_registry(
            RegistryChange(
                "set_registered_model_alias", name=name, alias=alias, version=str(version)
            ),
            grant=grant,
        )

    def change_registry(self, change: RegistryChange, *, grant: str | None = None) -> None:
        """Make one change that undoes something.

        Raises:
            MlflowRefused: the registry store refused; its sentence is the message.
            MlflowMissing: what would be changed is not there.
            MlflowUnavailable: nobody knows whether it was done: read again.
        """
        verb, route, members = _CHANGES[change.method]
        body = {theirs: getattr(change, ours) for theirs, ours in members.items()}
        self._transport.send_json(
            verb,
            f"/mlflow/{route}",
            body,
            headers={GRANT_HEADER: grant} if grant is not None else {},
        )

    # Runs and logged models.

    def get_run(self, run_id: str) -> Run:
        """Return a run, a deleted one too.

        Raises:
            MlflowMissing: there is none.
        """
        return parsing.run(self._transport.get_json("/mlflow/runs/get", {"run_id": run_id}))

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model, ``m-<32 hex>``.

        Raises:
            MlflowMissing: there is none, or it was deleted.
        """
        path = f"/mlflow/logged-models/{quote_path((model_id,))}"
        return parsing.logged_model(self._transport.get_json(path))

    def download_run_artifact(
        self, run_id: str, path: str, destination: Path, *, max_bytes: int = MAX_ARTIFACT_BYTES
    ) -> None:
        """Write one artifact of a run to a file, replacing it.

        Raises:
            ArtifactMissing: no such run, or as `download_artifact`.
        """
        folder = self._run_folder(run_id)
        self.download_artifact(folder, path, destination, max_bytes=max_bytes)

    def read_run_artifact(self, run_id: str, path: str, *, max_bytes: int) -> bytes:
        """Return the bytes of one artifact of a run.

        Raises:
            ArtifactMissing: no such run, or as `read_artifact`.
        """
        return self.read_artifact(self._run_folder(run_id), path, max_bytes=max_bytes)

    def _run_folder(self, run_id: str) -> str:
        try:
            return self.get_run(run_id).artifact_uri
        except MlflowMissing as error:
            raise ArtifactMissing(f"The run {run_id[:64]} is not in MLflow.") from error

    # Webhooks.

    def list_webhooks(self) -> tuple[Webhook, ...]:
        """Return every webhook."""
        return tuple(
            parsing.webhook(row)
            for page in pages(self._transport, "/mlflow/webhooks", {"max_results": "100"})
            for row in parsing.rows_of(page, "webhooks")
        )

    def create_webhook(
        self, *, name: str, url: str, events: Sequence[tuple[str, str]], secret: str
    ) -> Webhook:
        """Have MLflow deliver registry events to a URL, signed with `secret`.

        Args:
            events: (entity, action), as MLflow writes them: ``("MODEL_VERSION", "CREATED")``.
        """
        answer = self._transport.post_json(
            "/mlflow/webhooks",
            {
                "name": name,
                "url": url,
                "events": [{"entity": entity, "action": action} for entity, action in events],
                "secret": secret,
                "status": "ACTIVE",
            },
        )
        return parsing.webhook(_object(answer, "webhook"))

    def update_webhook(
        self, webhook_id: str, *, url: str, events: Sequence[tuple[str, str]], secret: str
    ) -> Webhook:
        """Have a webhook deliver these events to this URL, signed with `secret`, from now on."""
        answer = self._transport.send_json(
            "PATCH",
            f"/mlflow/webhooks/{quote_path((webhook_id,))}",
            {
                "url": url,
                "events": [{"entity": entity, "action": action} for entity, action in events],
                "secret": secret,
                "status": "ACTIVE",
            },
        )
        return parsing.webhook(_object(answer, "webhook"))

    def test_webhook(self, webhook_id: str) -> WebhookDelivery:
        """Have MLflow send a made-up event now, and say what became of it."""
        answer = self._transport.post_json(f"/mlflow/webhooks/{quote_path((webhook_id,))}/test", {})
        found = _object(answer, "result")
        status = found.get("response_status")
        return WebhookDelivery(
            succeeded=found.get("success") is True,
            response_status=status if isinstance(status, int) else None,
            error=parsing.clean_text(str(found.get("error_message") or "")),
            answer=parsing.clean_text(str(found.get("response_body") or ""))[:2000],
        )


def _object(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = answer.get(key)
    if not isinstance(found, dict):
        raise MlflowGarbage(f"The server's answer has no {key}.")
    return found
