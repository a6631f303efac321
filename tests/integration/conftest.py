"""What several folders start from; a folder that wants another world has its own fixture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from tests.integration.web.world import World, load_world

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "boston_mortgage"


@pytest.fixture(scope="session")
def example_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with exactly what the example's ``uv.lock`` names."""
    environment = tmp_path_factory.mktemp("example-environment") / "environment"
    subprocess.run(
        [find_uv_bin(), "sync", "--frozen", "--quiet", "--python", sys.executable],
        cwd=EXAMPLE,
        env={
            **os.environ,
            "UV_PROJECT_ENVIRONMENT": str(environment),
            "UV_PYTHON_DOWNLOADS": "never",
            # Nothing writes into it, and a second copy takes its time.
            "UV_LINK_MODE": "hardlink",
        },
        check=True,
    )
    return environment / "bin" / "python"


@pytest.fixture
def quick_passwords(settings: Any) -> None:
    """Hash passwords fast: the real hasher takes half a second by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(world_template: str, committed_database: str, quick_passwords: None) -> World:
    """People, three versions of a model, a policy and evidence: `build_world`, without MLflow."""
    return load_world()
