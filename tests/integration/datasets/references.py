"""Shorthand for the tests of data sets: what is fetched, and from where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from muniment.attest.digest import Digest, dir_hash, sha256_file
from muniment.datasets import Access, DatasetReference, digest_dataset, fetch_dataset


def digest_of(path: Path) -> Digest:
    """Return the digest of a file or folder, as an auditor would compute it."""
    return dir_hash(path) if path.is_dir() else sha256_file(path)


def fetched(
    reference: DatasetReference, folder: Path, access: Access, checkout: Path | None = None
) -> Path:
    """Fetch a data set into a new folder; check that it is what was recorded, there and here."""
    folder.mkdir(exist_ok=True)
    path = fetch_dataset(reference, folder, access, checkout=checkout)
    assert path.parent == folder
    assert digest_dataset(reference, access, checkout=checkout) == reference.digest
    return path


def pointing(reference: DatasetReference, uri: str, **details: str) -> DatasetReference:
    """Return the reference as somebody who forges it would write it."""
    return replace(reference, uri=uri, details={**reference.details, **details})
