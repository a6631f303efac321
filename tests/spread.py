"""How the suite is spread over the CPUs: by file, and by folder where a folder starts a server."""

from __future__ import annotations

import os
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# What these start once takes long to start: their files follow each other in one process.
TOGETHER: Final = ("tests/e2e/stack", "tests/integration/gatekeeper")


class _Spread(LoadFileScheduling):
    """Whole files, in the order of the suite: the slow end-to-end tests begin, units fill up."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Spread | None:
    return _Spread(config, log) if config.option.dist == "loadfile" else None


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run named files and folders in this process: starting others would seldom pay.

    Else one more than there are CPUs: half of the time a test waits for a server.
    """
    return 0 if config.option.file_or_dir else (os.cpu_count() or 1) + 1
