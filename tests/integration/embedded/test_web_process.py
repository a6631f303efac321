"""What the web process must never load: it takes seconds and hundreds of megabytes."""

from __future__ import annotations

import subprocess
import sys

from config.embedded import EmbeddedStack
from config.embedded.processes import BASE_DIR

HEAVY = ("mlflow", "fairlearn", "pandas", "sklearn", "scipy", "weasyprint", "pyhanko", "duckdb")

SCRIPT = f"""
import sys
import config.wsgi
from django.urls import get_resolver

def visit(patterns):
    for pattern in patterns:
        visit(getattr(pattern, "url_patterns", ()))

visit(get_resolver().url_patterns)
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_heavy_libraries_stay_out_of_the_web_process(
    postgres: EmbeddedStack, redis: EmbeddedStack
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=postgres.environment("web"),
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
