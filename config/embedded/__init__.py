"""The parts of Muniment, started for real on one machine: PostgreSQL, Redis, MLflow, web, workers.

Nothing here is used in production, where each part is deployed on its own (docker-compose.yml).
"""

from __future__ import annotations

from config.embedded.errors import EmbeddedError
from config.embedded.home import Home
from config.embedded.stack import ALL_PARTS, OVERRIDE_NAMES, EmbeddedStack

__all__ = ["ALL_PARTS", "OVERRIDE_NAMES", "EmbeddedError", "EmbeddedStack", "Home"]
