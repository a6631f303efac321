"""Workers, each with a folder of its own, and trainings in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lineage.recompute.collecting import remove_folder
from lineage.recompute.limits import MIB, Limits
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.training import Trained, train_once
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import LineageFile
from tests.integration.recompute.trainings import HERE, TABLE, capture
from tests.integration.recompute.workers import KINDS, Worker


@pytest.fixture(params=KINDS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """Each kind of worker, with an empty folder that no other user may enter."""
    place = Path(mkdtemp(prefix="muniment-worker-"))
    worker = Worker(request.param, place)
    worker.own(place)
    yield worker
    remove_folder(place)
    for hold in place.parent.glob(f"{place.name}-hold-*"):
        hold.rmdir()


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.find("bubblewrap")


@pytest.fixture
def train(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Trained]:
    """Train once with a program as ``train.py``; the folder of its work is ``work``."""

    def train(
        program: str,
        captured: LineageFile | None = None,
        datasets: Sequence[tuple[DatasetReference, Path]] = (),
        **more: Any,
    ) -> Trained:
        code = tmp_path / "code"
        (code / "src").mkdir(parents=True, exist_ok=True)
        (code / "train.py").write_text(program)
        return train_once(
            replace(
                captured or capture("python", "train.py"),
                datasets=tuple(reference for reference, _ in datasets),
            ),
            checkout=code,
            environment=HERE,
            datasets={one.place or one.uri: path for one, path in datasets},
            work=tmp_path / "work",
            sandbox=sandbox,
            **({"limits": Limits(memory_bytes=2048 * MIB, wall_seconds=120)} | more),
        )

    return train


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "fetched.csv"
    path.write_text(TABLE)
    return path
