"""What this worker recomputes with, by its settings and by what admins allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings

from lineage.recompute.order import RecomputationOrder, Recomputed
from lineage.services.places import access_of, allowed_remotes

if TYPE_CHECKING:
    from lineage.recompute.tools import Tools

MEBIBYTE = 1024 * 1024


def recompute_here(
    order: RecomputationOrder,
    *,
    report_step: Callable[[str], None],
    on_output: Callable[[bytes], None],
    cancelled: Callable[[], bool],
) -> Recomputed:
    """Train a version again with what this worker has.

    Raises:
        As `lineage.recompute.recomputing.recompute`.
    """
    from lineage.recompute.recomputing import recompute

    return recompute(
        order,
        tools=tools_of(order.source_name),
        report_step=report_step,
        on_output=on_output,
        cancelled=cancelled,
    )


def tools_of(source_name: str) -> Tools:
    """Return what a source's versions are recomputed with.

    What one source's runs brought into the stores never reaches another's.

    Raises:
        SandboxUnavailable: nothing here can hold hostile code.
    """
    from lineage.recompute.environment import PackageSource
    from lineage.recompute.limits import Limits
    from lineage.recompute.sandbox import Sandbox
    from lineage.recompute.tools import Tools

    folder = settings.RECOMPUTE_FOLDER
    return Tools(
        sandbox=Sandbox.find(settings.RECOMPUTE_SANDBOX),
        limits=Limits(
            memory_bytes=settings.RECOMPUTE_MEMORY_MB * MEBIBYTE,
            wall_seconds=settings.RECOMPUTE_WALL_SECONDS,
            work_bytes=settings.RECOMPUTE_WORK_MB * MEBIBYTE,
            output_bytes=settings.RECOMPUTE_OUTPUT_MB * MEBIBYTE,
        ),
        work_folder=folder / "work",
        environments=folder / "environments" / source_name,
        packages=PackageSource(
            index_url=settings.RECOMPUTE_INDEX_URL, cache=folder / "packages" / source_name
        ),
        access=access_of(source_name),
        remotes=allowed_remotes(source_name),
    )
