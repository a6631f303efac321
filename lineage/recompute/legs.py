"""Finding the legs of a record again: the code, the data, the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lineage.recompute.checkout import check_out
from lineage.recompute.environment import Environment, build_environment
from lineage.recompute.errors import RecomputeError
from lineage.recompute.fetching import fetch_apart
from lineage.recompute.mounts import make_readable
from lineage.recompute.order import RecomputationOrder
from lineage.recompute.probe import Fetched
from lineage.recompute.tools import Tools


def find_code(
    order: RecomputationOrder, tools: Tools, checkout: Path, *, cancelled: Callable[[], bool]
) -> str:
    """Write the recorded commit into a folder; return in a sentence what was found.

    Raises:
        RecomputeError: of the leg ``code``.
        RecomputationCancelled: it was cancelled.
    """
    code = order.capture.code
    if not code.commit:
        raise _code_error("no_commit", "The record names no commit.")
    if not code.remote:
        raise _code_error("no_remote", "The record does not say where the commit can be fetched.")
    if code.is_dirty:
        raise _code_error(
            "dirty", "Files differed from the commit when it was trained, and nothing kept them."
        )
    check_out(code.remote, code.commit, checkout, allowed=tools.remotes, cancelled=cancelled)
    return f"The commit {code.commit} was fetched."


def find_data(
    order: RecomputationOrder,
    tools: Tools,
    folder: Path,
    *,
    checkout: Path,
    cancelled: Callable[[], bool],
) -> tuple[list[Fetched], str]:
    """Fetch every data set, each with the recorded digest; return in a sentence what was found.

    Raises:
        DatasetError: one is not what was recorded, or is not to be had.
        RecomputationCancelled: it was cancelled.
    """
    # A table that was only in memory lies nowhere: the program makes it again.
    lying = [reference for reference in order.capture.datasets if reference.kind != "table"]
    if not lying:
        return [], "The record names no data set that lies anywhere."
    paths = fetch_apart(lying, folder, tools.access, checkout=checkout, cancelled=cancelled)
    for path in paths:
        make_readable(path)
    fetched = [Fetched(reference, path) for reference, path in zip(lying, paths, strict=True)]
    return fetched, f"Every recorded digest was found again ({len(fetched)})."


def find_environment(
    order: RecomputationOrder, tools: Tools, *, cancelled: Callable[[], bool]
) -> tuple[Environment, str]:
    """Build the recorded environment, or find it built; say in a sentence what was found.

    Raises:
        RecomputeError: of the leg ``environment``.
        PackageIndexUnavailable: it may be tried again.
        RecomputationCancelled: it was cancelled.
    """
    environment = build_environment(
        order.capture,
        order.lock,
        store=tools.environments,
        packages=tools.packages,
        cancelled=cancelled,
    )
    recorded, here = order.capture.environment.python, environment.python_version
    python = f"with Python {here}" if recorded == here else f"with Python {here} for {recorded}"
    return environment, f"Every package of the lock was installed as it was, {python}."


def _code_error(code: str, message: str) -> RecomputeError:
    return RecomputeError(message, code=f"code.{code}", leg="code")
