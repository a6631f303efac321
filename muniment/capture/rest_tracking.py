"""An MLflow server asked over its REST API; the standard library is enough."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

from muniment.capture.tracking import (
    MAX_OUTPUT_BYTES,
    MAX_OUTPUTS,
    MAX_RUNS,
    PROXIED,
    FoundRun,
    LoggedDataset,
    Tracking,
    TrackingError,
)
from muniment.lineage_file import CAPTURE_TAG

_ANSWER_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_EXPERIMENTS_A_PAGE: Final = 500
_REQUEST_SECONDS: Final = 20.0


class RestTracking(Tracking):
    """An MLflow server, asked over its REST API.

    Args:
        uri: http or https; credentials in it count.
        environment: ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``, or
            ``MLFLOW_TRACKING_TOKEN``, and what MLflow's client takes for TLS.
    """

    def __init__(self, uri: str, environment: Mapping[str, str]) -> None:
        parts = urlsplit(uri)
        user, _, host = parts.netloc.rpartition("@")
        self._base = parts._replace(netloc=host, query="", fragment="").geturl().rstrip("/")
        self._headers = {"User-Agent": "muniment-capture", **_authorization(environment, user)}
        handlers: list[Any] = [_NoRedirect()]
        if parts.scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=_tls(environment)))
        self._opener = urllib.request.build_opener(*handlers)

    def find_runs(self, capture_id: str, also: Sequence[str] = ()) -> list[FoundRun]:
        """Search every active experiment."""
        found: dict[str, FoundRun] = {}
        for run_id in also:
            answer = self._json("GET", f"mlflow/runs/get?{urlencode({'run_id': run_id})}")
            found[run_id] = _run(answer["run"])
        for experiments in self._experiments():
            body: dict[str, Any] = {
                "experiment_ids": experiments,
                "filter": f"tags.`{CAPTURE_TAG}` = '{capture_id}'",
                "max_results": MAX_RUNS,
            }
            for row in self._json("POST", "mlflow/runs/search", body).get("runs", ()):
                run = _run(row)
                found[run.run_id] = run
        return [self._with_model_names(run) for run in list(found.values())[:MAX_RUNS]]

    def hash_outputs(self, run: FoundRun) -> dict[str, str]:
        """Read every artifact through the server."""
        places = {"": run.artifact_uri}
        for model_id, name in run.models.items():
            info = self._model(model_id)
            places[f"{name}/"] = str(info.get("artifact_uri", ""))
        found: dict[str, str] = {}
        left = MAX_OUTPUT_BYTES
        for prefix, place in places.items():
            if not place.startswith(PROXIED):
                raise TrackingError("The server does not serve the artifacts itself.")
            for name in self._walk(place):
                if prefix == "" and name.startswith("muniment/"):
                    continue
                if len(found) >= MAX_OUTPUTS:
                    raise TrackingError(f"The run wrote more than {MAX_OUTPUTS:,} artifacts.")
                found[f"{prefix}{name}"], size = self._hash(place, name, left)
                left -= size
        return found

    def write(self, run: FoundRun, files: Mapping[str, bytes], tags: Mapping[str, str]) -> None:
        """Put the artifacts through the server."""
        if not run.artifact_uri.startswith(PROXIED):
            raise TrackingError("The server does not serve the artifacts itself.")
        for name, content in files.items():
            with self._open("PUT", _artifact(run.artifact_uri, name), content):
                pass
        body = {
            "run_id": run.run_id,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        self._json("POST", "mlflow/runs/log-batch", body)

    def _experiments(self) -> Iterator[list[str]]:
        token = ""
        while True:
            body: dict[str, Any] = {"max_results": _EXPERIMENTS_A_PAGE}
            if token:
                body["page_token"] = token
            answer = self._json("POST", "mlflow/experiments/search", body)
            found = [str(one["experiment_id"]) for one in answer.get("experiments", ())]
            if found:
                yield found
            token = str(answer.get("next_page_token") or "")
            if not token:
                return

    def _with_model_names(self, run: FoundRun) -> FoundRun:
        names: dict[str, str] = {}
        for model_id in run.models:
            name = str(self._model(model_id).get("name") or model_id)
            names[model_id] = model_id if name in names.values() else name
        return FoundRun(run.run_id, run.artifact_uri, run.params, run.datasets, names)

    def _model(self, model_id: str) -> Mapping[str, Any]:
        answer = self._json("GET", f"mlflow/logged-models/{quote(model_id, safe='')}")
        info = answer.get("model", {}).get("info", {})
        return info if isinstance(info, dict) else {}

    def _walk(self, place: str) -> Iterator[str]:
        pending = [""]
        root = place.removeprefix(PROXIED).strip("/")
        while pending:
            folder = pending.pop()
            path = f"{root}/{folder}".rstrip("/")
            answer = self._json("GET", f"mlflow-artifacts/artifacts?{urlencode({'path': path})}")
            for entry in answer.get("files", ()):
                name = str(PurePosixPath(folder) / PurePosixPath(str(entry["path"])).name)
                if entry.get("is_dir"):
                    pending.append(name)
                else:
                    yield name

    def _hash(self, place: str, name: str, left: int) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self._open("GET", _artifact(place, name)) as answer:
            while chunk := answer.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                if size > left:
                    raise TrackingError(f"The run wrote more than {MAX_OUTPUT_BYTES:,} bytes.")
        return digest.hexdigest(), size

    def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        with self._open(method, path, content, kind="application/json") as answer:
            try:
                said = json.loads(answer.read(_ANSWER_BYTES) or b"{}")
            except (ValueError, RecursionError) as error:
                raise TrackingError(f"{self._base} does not answer as MLflow does.") from error
        if not isinstance(said, dict):
            raise TrackingError(f"{self._base} does not answer as MLflow does.")
        return said

    def _open(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        kind: str = "application/octet-stream",
    ) -> _Answer:
        request = urllib.request.Request(  # noqa: S310 - tracking_for lets http and https through
            f"{self._base}/api/2.0/{path}", content, dict(self._headers), method=method
        )
        if content is not None:
            request.add_header("Content-Type", kind)
        try:
            return _Answer(self._opener.open(request, timeout=_REQUEST_SECONDS))
        except urllib.error.HTTPError as error:
            with error:
                raise TrackingError(f"MLflow answers {error.code}: {_said(error)}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise TrackingError(f"MLflow at {self._base} is not reached: {reason}") from error


class _Answer:
    """An answer whose reading fails as its asking does."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        try:
            content: bytes = self._answer.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise TrackingError(f"MLflow broke off its answer: {error}") from error
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._answer.close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # What is recorded, and the credentials, are for the server that was named.
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _run(row: Mapping[str, Any]) -> FoundRun:
    try:
        info, logged = row["info"], row.get("data", {})
        outputs = row.get("outputs", {}).get("model_outputs", ())
        return FoundRun(
            run_id=str(info["run_id"]),
            artifact_uri=str(info.get("artifact_uri", "")),
            params={str(one["key"]): str(one["value"]) for one in logged.get("params", ())},
            datasets=tuple(
                _dataset(one) for one in row.get("inputs", {}).get("dataset_inputs", ())
            ),
            models={str(one["model_id"]): "" for one in outputs},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise TrackingError(f"MLflow's answer about a run has no {error}.") from error


def _dataset(row: Mapping[str, Any]) -> LoggedDataset:
    dataset = row["dataset"]
    tags = {one["key"]: one["value"] for one in row.get("tags", ())}
    return LoggedDataset(
        name=str(dataset.get("name", "")),
        source_type=str(dataset.get("source_type", "")),
        source=str(dataset.get("source", "")),
        context=str(tags.get("mlflow.data.context", "")),
    )


def _artifact(place: str, name: str) -> str:
    root = urlsplit(place).path.strip("/")
    return f"mlflow-artifacts/artifacts/{quote(f'{root}/{name}'.lstrip('/'))}"


def _authorization(environment: Mapping[str, str], in_uri: str) -> dict[str, str]:
    pair = unquote(in_uri)
    if not pair and (user := environment.get("MLFLOW_TRACKING_USERNAME")):
        pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
    if pair:
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    token = environment.get("MLFLOW_TRACKING_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    bundle = environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or environment.get(
        "REQUESTS_CA_BUNDLE"
    )
    context = ssl.create_default_context(cafile=bundle or None)
    if environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        # The user's own choice for their MLflow client, kept to.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _said(error: urllib.error.HTTPError) -> str:
    try:
        answered = json.loads(error.read(100_000))
        return str(answered["message"])[:300]
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return str(error.reason)
