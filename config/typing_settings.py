"""The settings as mypy's Django plugin reads them: it needs the models, and no instance."""

from __future__ import annotations

import os

os.environ.setdefault("SECRET_KEY", "for type checking only, never served " * 2)
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@localhost/nothing")

from config.settings import *  # noqa: F403 - after the environment it reads
