"""Each test has a log of its own."""

from __future__ import annotations

import pytest

from tests.integration.log.writing import forget_published


@pytest.fixture(autouse=True)
def empty_log(committed_database: str) -> None:
    """A database without entries, whose log was never published."""
    forget_published()
