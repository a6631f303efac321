"""MLflow's artifact repositories with the files of registered versions write-once.

Imported only inside an MLflow server, as :mod:`muniment.mlflow.store` is.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.server.constants import ARTIFACTS_DESTINATION_ENV_VAR, ARTIFACTS_ONLY_ENV_VAR
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories

from muniment.mlflow import SCHEME_PREFIX
from muniment.mlflow.destination import Destination, Parts, path_parts
from muniment.mlflow.messenger import Messenger, RefusedChange, printable
from muniment.mlflow.methods import public_methods
from muniment.mlflow.registered_files import RegisteredFiles
from muniment.mlflow.settings import Settings, SettingsError
from muniment.mlflow.store import request_user

logger = logging.getLogger("muniment.mlflow")

WHY = "the files of a registered version are write-once"

#: Write no file. Calling an upload off leaves no file either.
HARMLESS = frozenset(
    {
        "abort_multipart_upload",
        "artifact_dir",
        "download_archived_trace_data",
        "download_artifacts",
        "download_trace_attachment",
        "download_trace_attachment_to_file",
        "download_trace_data",
        "download_trace_data_to_file",
        "flush_async_logging",
        "get_download_presigned_url",
        "get_local_path",
        "get_s3_file_upload_extra_args",
        "list_artifacts",
        "max_workers",
        "parse_s3_compliant_uri",
    }
)

#: Write one file: the argument that holds its name. Its folder is ``artifact_path``.
ONE_FILE = {
    "complete_multipart_upload": "local_file",
    "create_multipart_upload": "local_file",
    "log_artifact": "local_file",
    "log_artifact_from_async_stream": "artifact_file_name",
    "log_artifact_from_stream": "artifact_file_name",
}

#: Change anything below ``artifact_path``; without one, below the repository's root.
FOLDER = frozenset(
    {
        "delete_artifacts",
        "log_artifacts",
        "upload_archived_trace_data",
        "upload_archived_trace_data_bytes",
        "upload_attachment",
        "upload_trace_data",
    }
)


def open_artifacts(artifact_uri: str, tracking_uri: str | None, registry_uri: str | None) -> Any:
    """Open MLflow's repository for ``artifact_uri`` with registered versions write-once.

    Raises:
        MlflowException: this is not an MLflow server with a registry and that destination, or
            the environment cannot be enforced as it stands.
    """
    guard = _open_guard(os.environ.get(ARTIFACTS_DESTINATION_ENV_VAR, ""))
    plain_uri = artifact_uri.removeprefix(SCHEME_PREFIX)
    root = guard.destination.locate(plain_uri)
    if root is None:
        raise _does_not_open(f"{artifact_uri!r} is not below the server's --artifacts-destination")
    scheme = plain_uri.partition(":")[0]
    repository_class = guarded_class(get_registered_artifact_repositories()[scheme], guard)
    repository = repository_class(plain_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
    repository.muniment_root = root
    return repository


class ArtifactsGuard:
    """Refuses changes of files that a registered version of a governed model is made of.

    Args:
        destination: the server's.
        files: which files those are, asked anew for each change.
        messenger: tells Muniment of refusals, where it can be told.
    """

    def __init__(
        self, destination: Destination, files: RegisteredFiles, messenger: Messenger | None
    ) -> None:
        self.destination = destination
        self._files = files
        self._messenger = messenger

    def judge(self, parts: Parts, *, is_folder: bool, is_removal: bool) -> None:
        """Return if a file, or all below a folder, may be changed.

        Raises:
            MlflowException: it may not, or the registry could not be asked.
        """
        files = self._files.current()
        owner = files.owner_within(parts) if is_folder else files.owner_of(parts)
        if owner is None:
            return
        path = "/".join(parts)
        sentence = (
            f"{'Deleting' if is_removal else 'Writing'} {path[-512:]!r} is refused: it would change"
            f" the files of {owner}, and {WHY};"
            " log a new model and register it as a new version"
        )
        logger.warning("%s", sentence)
        if self._messenger is not None:
            self._messenger.tell_refusal(
                RefusedChange(
                    method="delete_artifact" if is_removal else "write_artifact",
                    model=printable(owner.model),
                    version=str(owner.version),
                    alias="",
                    why=WHY,
                    user=printable(request_user()),
                )
            )
        # 403: the client repeats 408, 429 and 5xx, and this answer will not change.
        raise MlflowException(sentence, PERMISSION_DENIED)


@functools.cache
def _open_guard(destination_uri: str) -> ArtifactsGuard:
    if not destination_uri.startswith(SCHEME_PREFIX):
        raise _does_not_open(
            f"{SCHEME_PREFIX}… is for --artifacts-destination of an MLflow server, and for nothing"
            " else"
        )
    if os.environ.get(ARTIFACTS_ONLY_ENV_VAR):
        raise _does_not_open(
            "a server with --artifacts-only has no registry to ask which versions are registered"
        )
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise _does_not_open(str(error)) from error
    destination = Destination.from_uri(destination_uri.removeprefix(SCHEME_PREFIX))
    # A warning, because MLflow's logging shows nothing below it for other packages.
    logger.warning(
        "the artifacts guard is on: files of registered versions are write-once for models %s",
        ", ".join(settings.governed.models),
    )
    files = RegisteredFiles(settings.governed, destination)
    return ArtifactsGuard(destination, files, Messenger.of(settings))


def _does_not_open(why: str) -> MlflowException:
    # Not a 5xx, which clients would repeat for minutes before they show it.
    return MlflowException(f"Muniment's artifacts guard does not open: {why}", PERMISSION_DENIED)


@functools.cache
def guarded_class(repository_class: type[Any], guard: ArtifactsGuard) -> type[Any]:
    """Derive from a repository of MLflow's a class whose public methods ask ``guard``.

    What is not known here is refused. So is a presigned upload: its address works without asking
    anybody, for as long as the client wished, also after the version is registered.
    """
    guarded: dict[str, Any] = {}
    for name, method in public_methods(repository_class).items():
        if name in ONE_FILE or name in FOLDER:
            guarded[name] = _judged(method, guard)
        elif name not in HARMLESS:
            guarded[name] = _refused(name)
    return type(f"Guarded{repository_class.__name__}", (repository_class,), guarded)


def _judged(method: Callable[..., Any], guard: ArtifactsGuard) -> Callable[..., Any]:
    signature = inspect.signature(method)
    name = method.__name__

    def bind(self: Any, *args: Any, **kwargs: Any) -> tuple[inspect.BoundArguments, Any]:
        bound = signature.bind(self, *args, **kwargs)
        judge = functools.partial(
            guard.judge,
            self.muniment_root + _target(name, bound.arguments),
            is_folder=name in FOLDER,
            is_removal=name == "delete_artifacts",
        )
        return bound, judge

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def judged_async(*args: Any, **kwargs: Any) -> Any:
            bound, judge = bind(*args, **kwargs)
            await asyncio.to_thread(judge)
            bound.arguments["chunks"] = _judged_at_end(bound.arguments["chunks"], judge)
            return await method(*bound.args, **bound.kwargs)

        return judged_async

    @functools.wraps(method)
    def judged(*args: Any, **kwargs: Any) -> Any:
        bound, judge = bind(*args, **kwargs)
        judge()
        if "stream" in bound.arguments:
            bound.arguments["stream"] = _StreamJudgedAtEnd(bound.arguments["stream"], judge)
        return method(*bound.args, **bound.kwargs)

    return judged


def _target(name: str, arguments: Mapping[str, Any]) -> Parts:
    folder = path_parts(str(arguments.get("artifact_path") or ""))
    if name in FOLDER:
        return folder
    # As every repository of MLflow's does: what stands before the last slash is ignored.
    file_name = os.path.basename(str(arguments[ONE_FILE[name]]))  # noqa: PTH119
    return path_parts("/".join((*folder, file_name)))


async def _judged_at_end(chunks: Any, judge: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield the chunks of an upload and judge it again before the file takes its place.

    An upload lasts as long as its client wishes, and the version may be registered meanwhile.
    """
    async for chunk in chunks:
        yield chunk
    await asyncio.to_thread(judge)


class _StreamJudgedAtEnd:
    """A stream that judges the upload again when it has been read to its end."""

    def __init__(self, stream: Any, judge: Callable[[], None]) -> None:
        self._stream = stream
        self._judge = judge

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self._stream.read(size)
        if not chunk or size < 0:
            self._judge()
        return chunk


def _refused(name: str) -> Callable[..., Any]:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise MlflowException(
            f"{name} is refused: Muniment's artifacts guard could not keep the files of registered"
            " versions as they are; upload through the MLflow server instead",
            PERMISSION_DENIED,
        )

    refused.__name__ = name
    return refused
