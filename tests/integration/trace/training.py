"""Trainings as the kit records them, for the graph."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from muniment.attest.digest import Digest
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import LineageFile


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def dataset(name: str, role: str = "training") -> DatasetReference:
    """Return a reference to the data set whose bytes are its name."""
    return DatasetReference(
        role=role,
        name=name,
        kind="file",
        uri=f"file:///data/{name}.csv",
        digest=Digest("sha256", sha256(name)),
        size_bytes=10,
    )


def capture(*datasets: DatasetReference, outputs: Mapping[str, str] | None = None) -> LineageFile:
    """Return what the kit recorded of a training on these; outputs by path and their text."""
    return LineageFile(
        captured_at="2026-11-20T08:00:00Z",
        kit="0.5.0",
        mode="run",
        datasets=datasets,
        outputs={path: sha256(text) for path, text in (outputs or {}).items()},
    )
