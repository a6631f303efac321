"""From an address to its bytes: on the server only where an admin allowed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from muniment.datasets.location import parse_location
from muniment.datasets.places import Access
from muniment.datasets.sources import LocalSource, Source
from muniment.datasets.stores import open_anywhere, open_store
from muniment.datasets.web import AllowedWebSource, WebSource

# Address and version of the object → what lies there.
Opener = Callable[[str, str], Source]


def allowed_opener(access: Access) -> Opener:
    """Return what opens an address that somebody else wrote down, and only what is allowed.

    It raises DatasetRefused where no place allows it or a place's credentials are not there, and
    DatasetMissing where there is nothing.
    """

    def open_allowed(uri: str, version_id: str) -> Source:
        location = parse_location(uri)
        place = access.place_of(location)
        if location.scheme == "file":
            root = place.location.path
            return LocalSource(root or "/", location.path[len(root) :].strip("/"))
        if location.scheme in ("http", "https"):
            return AllowedWebSource(location, access)
        return open_store(location, place, version_id=version_id)

    return open_allowed


def open_here(uri: str) -> Source:
    """Open what a training on this machine reads, as this machine reaches it.

    Raises:
        DatasetError: as `LocalSource` and `open_anywhere`.
    """
    if "://" not in uri:
        return LocalSource(str(Path(uri).resolve()))
    if uri.startswith(("http://", "https://")):
        return WebSource(uri)
    return open_anywhere(uri)
