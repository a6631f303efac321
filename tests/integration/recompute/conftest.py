"""Workers, each with a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from lineage.recompute.collecting import remove_folder
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
