"""From an address to its bytes: on the server only where an admin allowed it."""

from __future__ import annotations

from muniment.datasets.errors import DatasetRefused
from muniment.datasets.location import parse_location
from muniment.datasets.places import Access
from muniment.datasets.sources import LocalSource, Source


def open_allowed(uri: str, access: Access, *, version_id: str = "") -> Source:
    """Open what lies at an address that somebody else wrote down.

    Args:
        version_id: of the object, where its store keeps versions.

    Raises:
        DatasetRefused: no place allows it, or its credentials are not there.
        DatasetMissing: there is nothing.
    """
    location = parse_location(uri)
    place = access.place_of(location)
    if location.scheme == "file":
        root = place.location.path
        return LocalSource(root or "/", location.path[len(root) :].strip("/"))
    raise DatasetRefused(f"{location.scheme}:// is not opened", code="dataset.scheme")
