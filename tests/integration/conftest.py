"""What several folders start from; a folder that wants another world has its own fixture."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.web.world import World, load_world


@pytest.fixture
def quick_passwords(settings: Any) -> None:
    """Hash passwords fast: the real hasher takes half a second by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(world_template: str, committed_database: str, quick_passwords: None) -> World:
    """People, three versions of a model, a policy and evidence: `build_world`, without MLflow."""
    return load_world()
