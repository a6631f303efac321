"""What this worker recomputes with, by its settings and by what admins allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from lineage.models import Recomputation
from lineage.recompute.order import RecomputationOrder, Recomputed
from lineage.services.places import access_of, allowed_remotes

if TYPE_CHECKING:
    from lineage.recompute.tools import Tools

MEBIBYTE = 1024 * 1024


def recompute_here(
    order: RecomputationOrder,
    *,
    recomputation_id: UUID,
    report_step: Callable[[str], None],
    on_output: Callable[[bytes], None],
    cancelled: Callable[[], bool],
) -> Recomputed:
    """Train a version again with what this worker has.

    Args:
        recomputation_id: of the one whose lease is held.

    Raises:
        As `lineage.recompute.recomputing.recompute`.
    """
    from lineage.recompute.collecting import remove_folder
    from lineage.recompute.recomputing import recompute

    _remove_abandoned(recomputation_id)
    tools = tools_of(order.source_name, recomputation_id)
    try:
        return recompute(
            order,
            tools=tools,
            report_step=report_step,
            on_output=on_output,
            cancelled=cancelled,
        )
    finally:
        remove_folder(tools.work_folder)


@contextmanager
def tools_to_evaluate(source_name: str, job_id: UUID) -> Iterator[Tools]:
    """Give what a source's version is asked with; its work folder is gone afterwards.

    Raises:
        SandboxUnavailable: nothing here can hold hostile code.
    """
    from lineage.recompute.collecting import remove_folder

    work = settings.RECOMPUTE_FOLDER / "evaluating" / str(job_id)
    if work.is_dir():
        remove_folder(work)  # a killed worker left it
    try:
        yield replace(tools_of(source_name, job_id), work_folder=work)
    finally:
        if work.is_dir():
            remove_folder(work)


def tools_of(source_name: str, recomputation_id: UUID) -> Tools:
    """Return what a source's version is recomputed with.

    What one source's runs brought into the stores never reaches another's.

    Raises:
        SandboxUnavailable: nothing here can hold hostile code.
    """
    from lineage.recompute.environment import PackageSource
    from lineage.recompute.limits import Limits
    from lineage.recompute.sandbox import Sandbox
    from lineage.recompute.tools import Tools
    from lineage.recompute.users import job_users

    folder = settings.RECOMPUTE_FOLDER
    return Tools(
        sandbox=Sandbox.find(
            settings.RECOMPUTE_SANDBOX,
            users=job_users(settings.RECOMPUTE_FIRST_USER),
            image=settings.RECOMPUTE_IMAGE,
        ),
        limits=Limits(
            memory_bytes=settings.RECOMPUTE_MEMORY_MB * MEBIBYTE,
            wall_seconds=settings.RECOMPUTE_WALL_SECONDS,
            work_bytes=settings.RECOMPUTE_WORK_MB * MEBIBYTE,
            output_bytes=settings.RECOMPUTE_OUTPUT_MB * MEBIBYTE,
        ),
        work_folder=_work_folder() / str(recomputation_id),
        environments=folder / "environments" / source_name,
        packages=PackageSource(
            index_url=settings.RECOMPUTE_INDEX_URL, cache=folder / "packages" / source_name
        ),
        access=access_of(source_name),
        remotes=allowed_remotes(source_name),
    )


def _work_folder() -> Path:
    folder: Path = settings.RECOMPUTE_FOLDER
    return folder / "work"


def _remove_abandoned(recomputation_id: UUID) -> None:
    """Remove what killed workers left: folders of what nobody works on, and of this one."""
    from lineage.recompute.collecting import remove_folder

    if not _work_folder().is_dir():
        return
    others = Recomputation.objects.filter(lease__isnull=False).exclude(pk=recomputation_id)
    kept = {str(one) for one in others.values_list("pk", flat=True)}
    for folder in _work_folder().iterdir():
        if folder.name not in kept:
            remove_folder(folder)
