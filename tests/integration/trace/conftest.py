"""Pages and the API, on the small world."""

from __future__ import annotations

from tests.integration.api.conftest import ask
from tests.integration.web.conftest import enter

__all__ = ["ask", "enter"]
