"""Reading a training's data sets again where an admin allowed it, to see whether they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from muniment.attest.digest import Digest
from muniment.datasets import (
    Access,
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetReference,
    digest_dataset,
)

NO_ACCESS: Final = Access()
# Whoever trained wrote the list: it must not keep us busy for ever. What is larger is recorded, and
# its bytes are read again by a recomputation and, of a champion, every night.
MAX_REREAD: Final = 20
MAX_REREAD_BYTES: Final = 16 * 1024**3


def reread_datasets(
    datasets: Sequence[DatasetReference], access: Access
) -> Mapping[tuple[str, str], str]:
    """Hash data sets where they lie; say of each whether it still is what was recorded.

    Returns:
        (role, name) → empty where the bytes have the recorded digest, else what is wrong with
        them. What may not be opened, is too large, or whose holder does not answer now, is left
        out: that says nothing of the bytes. So is what a commit holds: its copy on a disk is
        beside the point.
    """
    found: dict[tuple[str, str], str] = {}
    digests: dict[tuple[str, tuple[tuple[str, str], ...]], Digest | DatasetError] = {}
    if not access.places:
        return found
    access = replace(access, max_bytes=min(access.max_bytes, MAX_REREAD_BYTES))
    for one in datasets:
        if "git_path" in one.details:
            continue
        place = (one.uri, tuple(sorted(one.details.items())))
        if place not in digests:
            if len(digests) >= MAX_REREAD:
                break
            digests[place] = _digest(one, access)
        now = digests[place]
        if isinstance(now, Digest):
            same = now == one.digest
            found[one.role, one.name] = "" if same else f"its bytes now have the digest {now}."
        elif isinstance(now, DatasetChanged | DatasetMissing):
            found[one.role, one.name] = f"{now.message.rstrip('.')}."
    return found


def pinned_datasets(
    datasets: Sequence[DatasetReference], access: Access
) -> frozenset[tuple[str, str]]:
    """Return (role, name) of those that lie where an admin promised that nothing is overwritten."""
    return frozenset((one.role, one.name) for one in datasets if one.uri and access.pins(one.uri))


def _digest(reference: DatasetReference, access: Access) -> Digest | DatasetError:
    try:
        return digest_dataset(reference, access)
    except DatasetError as error:
        return error
