"""Data sets: naming one, hashing it, and opening it again where it lies."""

from __future__ import annotations

from muniment.datasets.errors import (
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetRefused,
    DatasetUnreachable,
)
from muniment.datasets.fetch import digest_dataset, fetch_dataset, refer_at_commit
from muniment.datasets.location import parse_location
from muniment.datasets.places import Access, AllowedPlace
from muniment.datasets.refer import refer
from muniment.datasets.reference import DatasetReference

__all__ = [
    "Access",
    "AllowedPlace",
    "DatasetChanged",
    "DatasetError",
    "DatasetMissing",
    "DatasetReference",
    "DatasetRefused",
    "DatasetUnreachable",
    "digest_dataset",
    "fetch_dataset",
    "parse_location",
    "refer",
    "refer_at_commit",
]
