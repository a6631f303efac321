"""Object stores and whatever else fsspec opens."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from muniment.datasets.errors import (
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetRefused,
    DatasetUnreachable,
)
from muniment.datasets.location import Location, without_credentials
from muniment.datasets.places import AllowedPlace
from muniment.datasets.sources import Source

_READ_BYTES: Final = 8 * 1024 * 1024
_MOVED: Final = (301, 302, 303, 307, 308)
_NO_VERSION: Final = ("", "null", None)


class StoreSource(Source):
    """An object, or all objects below a prefix.

    Args:
        files: fsspec's file system.
        path: in it.
        version_id: of the single object; empty is the newest.
    """

    def __init__(self, files: Any, path: str, *, address: str, version_id: str = "") -> None:
        """Name it. Nothing is asked yet."""
        self.address = address
        self._files, self._path = files, path.rstrip("/")
        self._version = {"version_id": version_id} if version_id else {}

    def listing(self) -> Mapping[str, int] | None:
        """Return what `Source.listing` says."""
        with self._errors(self.address):
            if self._info()["type"] == "file":
                return None
            found = self._files.find(self._path, detail=True)
            prefix = f"{self._path}/"
            return {
                path.removeprefix(prefix): int(about["size"] or 0)
                for path, about in found.items()
                if path.startswith(prefix) and about["type"] == "file" and not path.endswith("/")
            }

    def version_id(self) -> str:
        """Return the version of the single object; empty where its store keeps none."""
        with self._errors(self.address):
            version = self._info().get("VersionId")
            return "" if version in _NO_VERSION else str(version)

    def at_version(self, version_id: str) -> StoreSource:
        """Return the same object at one of its versions; itself where none is named."""
        if not version_id:
            return self
        return StoreSource(self._files, self._path, address=self.address, version_id=version_id)

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        """Open one object, as `Source.stream`."""
        path = f"{self._path}/{name}" if name else self._path
        what = name or self.address
        with self._errors(what):
            opened = self._files.open(path, "rb", block_size=_READ_BYTES, **self._version)
        with opened:
            yield self._chunks(opened, what)

    def _chunks(self, opened: Any, what: str) -> Iterator[bytes]:
        while True:
            with self._errors(what):
                chunk = opened.read(_READ_BYTES)
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """Let go of the connections: left to themselves some stay open until the process ends."""
        session = getattr(self._files, "_s3creator", None)
        if session is not None:
            self._files.close_session(self._files.loop, session)

    def _info(self) -> Mapping[str, Any]:
        about: Mapping[str, Any] = self._files.info(self._path, **self._version)
        return about

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except DatasetError:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetMissing(f"there is nothing at {what}") from error
        except PermissionError as error:
            raise DatasetRefused(
                f"the store refuses to show {what}: its credentials are wrong, or may not",
                code="dataset.forbidden",
            ) from error
        except _failures() as error:
            if (refused := _refusal_in(error)) is not None:
                raise refused from error
            if type(error).__name__ == "FileExpired":
                raise DatasetChanged(
                    f"{what} changed while it was read", code="dataset.unsteady"
                ) from error
            # Not the error's own words: a store may repeat a signed address.
            raise DatasetUnreachable(
                f"{what} could not be read: the store failed with {type(error).__name__}"
            ) from error


def open_store(location: Location, place: AllowedPlace, *, version_id: str = "") -> StoreSource:
    """Open an object store as a place says, with the place's credentials or none at all.

    Whatever else this process's environment holds is not used.

    Raises:
        DatasetRefused: a credential is not there, or the library for such a store.
    """
    options: dict[str, Any] = {**place.options, **place.credential_values()}
    if location.scheme == "s3":
        region = options.pop("region_name", "")
        options |= {
            "client_kwargs": {"region_name": region} if region else {},
            "config_kwargs": {
                "ignore_configured_endpoint_urls": True,
                "http_session_cls": _s3_session(),
            },
            "anon": not place.credentials,
            "version_aware": bool(version_id),
        }
    elif not place.credentials:
        options |= {"token": "anon"} if location.scheme == "gs" else {"anon": True}
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(location.scheme)
    except (ImportError, ValueError) as error:
        raise DatasetRefused(
            f"nothing is installed here that opens {location.scheme}://", code="dataset.scheme"
        ) from error
    files = kind(skip_instance_cache=True, use_listings_cache=False, **options)
    return StoreSource(
        files, f"{location.host}{location.path}", address=str(location), version_id=version_id
    )


def open_anywhere(uri: str) -> StoreSource:
    """Open whatever fsspec opens, with whatever this machine's environment gives it.

    Raises:
        DatasetRefused: nothing is installed that opens it.
    """
    import fsspec

    try:
        # An instance of our own: it is closed, and the program that trains may hold another.
        files, path = fsspec.core.url_to_fs(uri, skip_instance_cache=True)
        if hasattr(files, "version_aware"):
            # Else the newest version's name is not asked for.
            files, path = fsspec.core.url_to_fs(uri, skip_instance_cache=True, version_aware=True)
    except (ImportError, ValueError) as error:
        raise DatasetRefused(
            f"nothing is installed here that opens {uri.partition(':')[0]}://",
            code="dataset.scheme",
        ) from error
    return StoreSource(files, path, address=without_credentials(uri))


def _s3_session() -> type:
    """Return the class of S3's connections; without its library, what refuses it comes later.

    The library's own follows every redirect: whoever answers could have us ask our own network.
    """
    try:
        from aiobotocore.httpsession import AIOHTTPSession
    except ImportError:
        return object

    class DirectSession(AIOHTTPSession):  # type: ignore[misc] # untyped
        async def _get_session(self, proxy_url: Any) -> Any:
            return _Direct(await super()._get_session(proxy_url))

    return DirectSession


class _Direct:
    """A connection that refuses to be sent elsewhere."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **arguments: Any) -> Any:
        answer = await self._session.request(method, **arguments, allow_redirects=False)
        if answer.status in _MOVED and "Location" in answer.headers:
            answer.close()
            raise DatasetRefused("the store points elsewhere", code="dataset.redirects")
        return answer


def _refusal_in(error: BaseException | None) -> DatasetError | None:
    """Return what a connection of ours refused, and a library raised as its own failure."""
    while error is not None and not isinstance(error, DatasetError):
        error = error.__cause__ or error.__context__
    return error


def _failures() -> tuple[type[Exception], ...]:
    """Return what a store's library raises when it fails; only of those that are loaded."""
    failures: list[type[Exception]] = [OSError, RuntimeError, ValueError]
    for module, names in (
        ("botocore.exceptions", ("BotoCoreError", "ClientError")),
        ("aiohttp", ("ClientError",)),
        ("fsspec.exceptions", ("FSTimeoutError",)),
    ):
        loaded = sys.modules.get(module)
        failures += [getattr(loaded, name) for name in names if hasattr(loaded, name)]
    return tuple(failures)
