"""Where files lie below the server's artifacts destination, whatever spelling says so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

Parts = tuple[str, ...]

# The routes by which MLflow serves the destination: an artifact's http address names one of them.
_ROUTE = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts(?:/|$)")
_MLFLOW_ID = re.compile(r"(?:m-)?[0-9a-f]{32}")
_RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")  # nothing that a database could choke on
_LOCAL = frozenset({"", "file"})
_SPECIFIC_DEPTH = 3


def path_parts(path: str) -> Parts:
    """Return the parts of a path in the one form in which places are compared.

    Percent-encoding is undone as often as it was done, empty and ``.`` parts are left out, and
    ``..`` takes the part before it along. Law: ``path_parts("/".join(path_parts(p))) ==
    path_parts(p)``.
    """
    while (decoded := unquote(path)) != path:
        path = decoded
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Destination:
    """The storage that an MLflow server was started with (``--artifacts-destination``).

    Attributes:
        scheme: without Muniment's prefix; ``file`` for a local folder.
        host: the bucket, for object stores; empty for a local folder.
        parts: the folder within it.
    """

    scheme: str
    host: str
    parts: Parts

    @classmethod
    def from_uri(cls, uri: str) -> Destination:
        """Read a destination from the URI of a folder or of a bucket's prefix."""
        scheme, host, parts = _place(uri)
        return cls(scheme, host, parts)

    def locate(self, uri: str) -> Parts | None:
        """Return where ``uri`` lies below this destination, or None if it lies elsewhere.

        Args:
            uri: as MLflow stores artifact locations: of the storage itself, of MLflow's proxy for
                it (``mlflow-artifacts:``), or of a route of any MLflow server. A server's name is
                not compared: servers have several.
        """
        try:
            return self._locate(uri)
        except ValueError:
            # No address at all, for MLflow's own code too: nothing can be read there.
            return None

    def _locate(self, uri: str) -> Parts | None:
        pieces = urlsplit(uri)
        if pieces.scheme == "mlflow-artifacts":
            return path_parts(pieces.path)
        if pieces.scheme in {"http", "https"}:
            route = _ROUTE.search(pieces.path)
            return path_parts(pieces.path[route.end() :]) if route else None
        scheme, host, parts = _place(uri)
        depth = len(self.parts)
        if (scheme, host, parts[:depth]) != (self.scheme, self.host, self.parts):
            return None
        return parts[depth:]


def _place(uri: str) -> tuple[str, str, Parts]:
    pieces = urlsplit(uri)
    if pieces.scheme in _LOCAL:
        path = os.path.realpath(url2pathname(pieces.path if pieces.scheme else uri))
        return "file", "", tuple(path.strip("/").split("/"))
    return pieces.scheme, pieces.netloc, path_parts(pieces.path)


def run_path(uri: str) -> tuple[str, Parts] | None:
    """Return the run's id and the path within it that a ``runs:/…`` address names.

    None for any other address, and for one that names no run.
    """
    try:
        pieces = urlsplit(uri)
    except ValueError:
        return None
    parts = path_parts(pieces.path)
    if pieces.scheme != "runs" or not parts or _RUN_ID.fullmatch(parts[0]) is None:
        return None
    return parts[0], parts[1:]


def is_specific(parts: Parts) -> bool:
    """Say whether a folder can be one version's own, and not one that many share.

    The destination itself, an experiment's folder or that of all its models is not: keeping
    everybody from writing there would be within the power of whoever can register a version.
    """
    return len(parts) >= _SPECIFIC_DEPTH or any(map(_MLFLOW_ID.fullmatch, parts))


@dataclass(frozen=True, slots=True)
class Owner:
    """The registered version that a folder belongs to."""

    model: str
    version: int

    def __str__(self) -> str:
        return f"version {self.version} of model {self.model!r}"


class WriteOnceFiles:
    """The folders of registered versions, looked up by the path of a file or folder.

    Args:
        owners: whose each folder is.
    """

    def __init__(self, owners: Mapping[Parts, Owner]) -> None:
        self._owners = dict(owners)
        self._below: dict[Parts, Owner] = {}
        for parts, owner in self._owners.items():
            for depth in range(len(parts)):
                self._below.setdefault(parts[:depth], owner)

    def owner_of(self, parts: Parts) -> Owner | None:
        """Return the version that a file or folder at ``parts`` would be part of, if any."""
        for depth in range(len(parts) + 1):
            if (owner := self._owners.get(parts[:depth])) is not None:
                return owner
        return None

    def owner_within(self, parts: Parts) -> Owner | None:
        """Return a version whose files a change of all below ``parts`` would touch, if any."""
        return self.owner_of(parts) or self._below.get(parts)
