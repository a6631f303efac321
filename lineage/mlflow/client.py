"""The MLflow REST API, as far as Muniment uses it. Routes as MLflow 3.17.2 has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from lineage.domain.artifact_names import UnsafeName, proxy_path, quote_path, require_path
from lineage.domain.rows import (
    PROMPT_TAG,
    ArtifactEntry,
    LoggedModel,
    ModelVersionRow,
    RegisteredModelRow,
    Run,
    Webhook,
    WebhookDelivery,
)
from lineage.errors import (
    ArtifactMissing,
    ArtifactRefused,
    MlflowGarbage,
    MlflowMissing,
    MlflowRefused,
)
from lineage.mlflow import parsing
from lineage.mlflow.transport import Patience, Transport
from muniment.grant import HEADER as GRANT_HEADER

Row = TypeVar("Row", RegisteredModelRow, ModelVersionRow)
T = TypeVar("T")

MAX_ARTIFACT_BYTES: Final = 64 * 1024**3
_PROMPTS: Final = f"tags.`{PROMPT_TAG}` = 'true'"
_MODELS_A_PAGE: Final = 1_000
_VERSIONS_A_PAGE: Final = 200_000
_MAX_PAGES: Final = 1_000
_MAX_PAGE_BYTES: Final = 512 * 1024 * 1024
# One request each: only what the prompt tag hides from both searches.
_MAX_HIDDEN_VERSIONS: Final = 20_000


class MlflowClient:
    """A client of one MLflow server.

    Every method may raise MlflowUnavailable (no answer; MlflowGarbage: not MLflow's answer) and
    MlflowRefused. Reads are repeated with backoff; a write is repeated only where the server
    cannot have acted on it.

    Args:
        tracking_uri: ``http(s)://…``; a path and credentials in it are kept.

    Raises:
        ValueError: another scheme, or no host.
    """

    def __init__(self, tracking_uri: str, *, patience: Patience | None = None) -> None:
        self._transport = Transport(tracking_uri, patience or Patience())

    # The registry, in whole.

    def search_registered_models(self) -> tuple[RegisteredModelRow, ...]:
        """Return every registered model and every prompt, with tags and aliases."""
        return tuple(
            self._walk(
                "/mlflow/registered-models/search",
                "registered_models",
                _MODELS_A_PAGE,
                parsing.registered_model,
                key=lambda row: row.name,
            )
        )

    def search_model_versions(self) -> tuple[ModelVersionRow, ...]:
        """Return every version of every registered model and prompt, without aliases.

        A version with the prompt tag hides all its siblings from MLflow's searches; those are
        asked for one by one.
        """
        versions = self._walk(
            "/mlflow/model-versions/search",
            "model_versions",
            _VERSIONS_A_PAGE,
            parsing.model_version,
            key=lambda row: (row.name, row.version),
        )
        return (*versions, *self._hidden_by_prompt_tag(versions))

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
        self._transport.post_json(
            "/mlflow/registered-models/alias",
            {"name": name, "alias": alias, "version": str(version)},
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

    # Artifacts, through the server's own proxy.

    def list_artifacts(self, artifact_uri: str, folder: str = "") -> tuple[ArtifactEntry, ...]:
        """Return what a folder of artifacts holds, not deeper; names are not trusted yet.

        A folder that does not exist is empty: MLflow does not tell the two apart.

        Raises:
            ArtifactRefused: the place is not one that this server serves, or its name is unsafe.
        """
        names = self._proxy_path(artifact_uri, folder)
        answer = self._transport.get_json(
            "/mlflow-artifacts/artifacts", {"path": "/".join(names)} if names else {}
        )
        return parsing.artifact_entries(answer)

    def hash_artifact(
        self, artifact_uri: str, path: str, *, max_bytes: int = MAX_ARTIFACT_BYTES
    ) -> tuple[str, int]:
        """Return an artifact's SHA-256 in lower-case hex, and its bytes counted; memory is flat.

        Raises:
            ArtifactMissing: it is not there; ArtifactRefused: a name or size we do not read.
        """

        def consume(chunks: Iterator[bytes]) -> tuple[str, int]:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
            return digest.hexdigest(), size

        return self._read(artifact_uri, path, consume, max_bytes)

    def read_artifact(self, artifact_uri: str, path: str, *, max_bytes: int) -> bytes:
        """Return an artifact's bytes.

        Raises:
            As `hash_artifact`.
        """
        return self._read(artifact_uri, path, b"".join, max_bytes)

    def download_artifact(
        self,
        artifact_uri: str,
        path: str,
        destination: Path,
        *,
        max_bytes: int = MAX_ARTIFACT_BYTES,
    ) -> None:
        """Write an artifact's bytes to a file, replacing it.

        Raises:
            As `hash_artifact`; the file may then hold a part.
        """

        def consume(chunks: Iterator[bytes]) -> None:
            with destination.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)

        self._read(artifact_uri, path, consume, max_bytes)

    def download_run_artifact(
        self, run_id: str, path: str, destination: Path, *, max_bytes: int = MAX_ARTIFACT_BYTES
    ) -> None:
        """Write one artifact of a run to a file, replacing it.

        Raises:
            ArtifactMissing: no such run, or as `download_artifact`.
        """
        try:
            run = self.get_run(run_id)
        except MlflowMissing as error:
            raise ArtifactMissing(f"The run {run_id[:64]} is not in MLflow.") from error
        self.download_artifact(run.artifact_uri, path, destination, max_bytes=max_bytes)

    # Webhooks.

    def list_webhooks(self) -> tuple[Webhook, ...]:
        """Return every webhook."""
        return tuple(
            parsing.webhook(row)
            for page in self._pages("/mlflow/webhooks", {"max_results": "100"})
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

    def test_webhook(self, webhook_id: str) -> WebhookDelivery:
        """Have MLflow send a made-up event now, and say what became of it."""
        answer = self._transport.post_json(f"/mlflow/webhooks/{quote_path((webhook_id,))}/test", {})
        found = _object(answer, "result")
        status = found.get("response_status")
        return WebhookDelivery(
            succeeded=found.get("success") is True,
            response_status=status if isinstance(status, int) else None,
            error=parsing.clean_text(str(found.get("error_message") or "")),
        )

    def _walk(
        self,
        path: str,
        rows: str,
        page_size: int,
        parse: Callable[[Mapping[str, Any]], Row],
        *,
        key: Callable[[Row], object],
    ) -> tuple[Row, ...]:
        # By key: a row that moves between two pages while we walk is one row.
        found: dict[object, Row] = {}
        for query in ({}, {"filter": _PROMPTS}):
            for page in self._pages(path, {"max_results": str(page_size), **query}):
                for raw in parsing.rows_of(page, rows):
                    row = parse(raw)
                    found[key(row)] = row
        return tuple(found.values())

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        token = ""
        for _ in range(_MAX_PAGES):
            page = self._transport.get_json(
                path,
                {**query, **({"page_token": token} if token else {})},
                max_bytes=_MAX_PAGE_BYTES,
            )
            yield page
            following = parsing.page_token(page)
            if not following:
                return
            if following == token:
                break
            token = following
        raise MlflowGarbage("MLflow's list does not end.")

    def _hidden_by_prompt_tag(
        self, versions: Sequence[ModelVersionRow]
    ) -> tuple[ModelVersionRow, ...]:
        tagged = {row.name for row in versions if row.is_prompt}
        if not tagged:
            return ()
        seen = {(row.name, row.version) for row in versions}
        asked = [
            (model.name, number)
            # True prompts last: theirs are the gaps that deleting leaves.
            for model in sorted(self.search_registered_models(), key=lambda row: row.is_prompt)
            if model.name in tagged
            for number in range(1, model.latest_version + 1)
            if (model.name, number) not in seen
        ]
        if len(asked) > _MAX_HIDDEN_VERSIONS:
            raise MlflowGarbage(f"The prompt tag hides {len(asked):,} versions: too many to read.")
        found = []
        for name, number in asked:
            try:
                found.append(self.get_model_version(name, number))
            except MlflowMissing:
                continue  # deleted
        return tuple(found)

    def _proxy_path(self, artifact_uri: str, path: str) -> tuple[str, ...]:
        try:
            folder = proxy_path(artifact_uri, server_hosts=self._transport.hosts)
            return (*folder, *require_path(path)) if path else folder
        except UnsafeName as error:
            raise ArtifactRefused(f"Not read: {error}.") from error

    def _read(
        self,
        artifact_uri: str,
        path: str,
        consume: Callable[[Iterator[bytes]], T],
        max_bytes: int,
    ) -> T:
        names = self._proxy_path(artifact_uri, path)
        route = f"/mlflow-artifacts/artifacts/{quote_path(names)}"
        try:
            return self._transport.read(route, consume, max_bytes=max_bytes)
        except MlflowMissing as error:
            raise ArtifactMissing(f"The artifact {path!r} is not there.") from error
        except ArtifactRefused as error:
            raise ArtifactRefused(f"The artifact {path!r} is not read. {error}") from error
        except MlflowRefused as error:
            if error.status == 400:
                raise ArtifactRefused(f"MLflow does not give the artifact {path!r}.") from error
            raise


def _object(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = answer.get(key)
    if not isinstance(found, dict):
        raise MlflowGarbage(f"The server's answer has no {key}.")
    return found
