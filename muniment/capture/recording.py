"""Recording from inside: ``record`` and ``dataset``, for scripts and notebooks."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Self

from muniment import installed
from muniment.attest.errors import AttestError
from muniment.capture.command import CommandLine, describe_command
from muniment.capture.data import copy_here, local_path
from muniment.capture.document import Seen, hints_of, start_tags, write_lineage
from muniment.capture.environment import describe_environment
from muniment.capture.git import Repository, look_at_repository, refusal
from muniment.capture.local_tracking import OwnTracking
from muniment.capture.notes import NOTES_VARIABLE, note_dataset, note_fault, note_seeds
from muniment.capture.running import RUN_CONTEXT, context_with
from muniment.capture.tracking import TrackingError
from muniment.datasets import DatasetReference, refer
from muniment.lineage_file import Fault

# In a recomputation: JSON, place or address → where it lies now.
DATASETS_VARIABLE: Final = "MUNIMENT_DATASETS"

_opened: dict[tuple[str, str], DatasetReference] = {}
_faults: list[Fault] = []


class CaptureRefused(AttestError):
    """Files differ from the commit: nobody could tell afterwards what trained."""

    default_code = "capture.dirty"


def record(
    *,
    seeds: Mapping[str, object] | None = None,
    allow_dirty: bool = False,
    notebook: str = "",
) -> Recording:
    """Record what the runs of this program are made of.

    As a context manager around the training, or as a call inside an active run; then the run is
    recorded as it stands, so that the call comes last. Under ``muniment run`` the seeds are handed
    to that, which records everything else; in a recomputation it does nothing.

    Args:
        seeds: what was seeded → the seed.
        allow_dirty: also where files differ from the commit. A notebook is never refused: it
            counts as weak anyway.
        notebook: path of the notebook that this is, where it cannot be found out.

    Raises:
        CaptureRefused: files differ from the commit, and no run is active yet.
    """
    if DATASETS_VARIABLE in os.environ:
        return Recording(None)  # this is recorded already: it is being repeated
    named = {str(name): str(seed) for name, seed in (seeds or {}).items()}
    outside = os.environ.get(NOTES_VARIABLE)
    if outside:
        note_seeds(Path(outside), named)
        return Recording(None)
    try:
        started, active = _Started(named, notebook or _notebook()), _active_run()
    except Exception as error:  # noqa: BLE001 - the training is not ours to stop
        _say(f"nothing is recorded: {type(error).__name__}: {error}")
        return Recording(None)
    if started.repository.changes and not (allow_dirty or active or started.notebook):
        raise CaptureRefused(refusal(started.repository.changes, "record(allow_dirty=True)"))
    recording = Recording(started)
    if active:
        started.write(active)
    return recording


def dataset(what: str | os.PathLike[str], *, role: str = "training", name: str = "") -> str:
    """Return the local path where a data set can be opened, and record that it was.

    What lies elsewhere is copied into a folder that goes when the program ends. In a
    recomputation the path is that of the data set that was found again.

    Args:
        what: a path, or an address that fsspec opens.
        role: ``training``, ``validation`` or ``evaluation``.

    Raises:
        DatasetError: what lies elsewhere cannot be read.
    """
    given = os.fspath(what)
    found = _found_again(given)
    if found is not None:
        return found
    path = local_path(given, Path.cwd())
    if path is not None:
        _note(given, role, name)
        return str(path)
    reference = refer(given, role=role, name=name)
    _keep(reference)
    if reference.kind == "delta":
        return given  # a table is more than its files: its own reader opens it where it lies
    folder = mkdtemp(prefix="muniment-dataset-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(copy_here(given, reference, Path(folder)))


class Recording:
    """What ``record`` returns; at the end of its ``with`` the runs are written to."""

    def __init__(self, started: _Started | None) -> None:
        self._started = started
        self._before: str | None = None

    def __enter__(self) -> Self:
        if self._started is not None:
            self._before = os.environ.get(RUN_CONTEXT)
            os.environ[RUN_CONTEXT] = context_with(os.environ, self._started.tags())
        return self

    def __exit__(self, *ended: object) -> None:
        if self._started is None:
            return
        if self._before is None:
            os.environ.pop(RUN_CONTEXT, None)
        else:
            os.environ[RUN_CONTEXT] = self._before
        self._started.write(_active_run())


class _Started:
    """What was seen when the recording began."""

    def __init__(self, seeds: Mapping[str, str], notebook: str) -> None:
        self.capture_id = str(uuid.uuid4())
        self.started_at = datetime.now(UTC)
        self.folder = Path.cwd()
        self.notebook = notebook
        self.repository: Repository = look_at_repository(self.folder, notebook=notebook)
        arguments = [] if notebook else list(sys.orig_argv)
        self.command: CommandLine = describe_command(
            arguments, folder=self.folder, root=self.repository.root, environment=os.environ
        )
        self.seeds = dict(seeds)

    def tags(self) -> dict[str, str]:
        return start_tags(self.capture_id, self.repository.code, self.command)

    def write(self, active: str) -> None:
        """Write into the runs that began meanwhile, and into the active one. Never raises."""
        try:
            if "mlflow" not in sys.modules:
                _say("no run was made: MLflow was never imported, so nothing was recorded")
                return
            with OwnTracking() as tracking:
                runs = tracking.find_runs(self.capture_id, [active] if active else [])
                seen = self._seen()
                for run in runs:
                    file = write_lineage(seen, run, tracking, capture_id=self.capture_id)
                    for hint in hints_of(file):
                        _say(hint)
            if not runs:
                _say("no run was made, so nothing was recorded")
        except TrackingError as error:
            _say(f"the lineage was not recorded: {error}")
        except Exception as error:  # noqa: BLE001 - the training is not ours to stop
            _say(f"the lineage was not recorded: {type(error).__name__}: {error}")

    def _seen(self) -> Seen:
        root = self.repository.root
        said = installed.describe_interpreter()
        return Seen(
            mode="notebook" if self.notebook else "script",
            captured_at=self.started_at,
            folder=self.folder,
            root=root,
            code=self.repository.code,
            command=self.command,
            seen=describe_environment(said, folder=self.folder, root=root),
            datasets=tuple(_opened.values()),
            seeds=self.seeds,
            faults=(*self.repository.faults, *dict.fromkeys(_faults)),
        )


def _note(given: str, role: str, name: str) -> None:
    try:
        _keep(refer(given, role=role, name=name))
    except (AttestError, OSError, ImportError) as error:
        fault = f"The data set {given} is not recorded: {error}"
        outside = os.environ.get(NOTES_VARIABLE)
        if outside:
            note_fault(Path(outside), fault)
        else:
            _faults.append(Fault(fault, "data"))


def _keep(reference: DatasetReference) -> None:
    outside = os.environ.get(NOTES_VARIABLE)
    if outside:
        note_dataset(Path(outside), reference)
    else:
        _opened[reference.role, reference.uri] = reference


def _found_again(given: str) -> str | None:
    try:
        places: Any = json.loads(os.environ.get(DATASETS_VARIABLE) or "{}")
    except ValueError:
        return None
    if not isinstance(places, dict) or not places:
        return None
    path = local_path(given, Path.cwd())
    names = [given] if path is None else [given, str(path), path.as_uri()]
    return next((str(places[name]) for name in names if name in places), None)


def _active_run() -> str:
    mlflow = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow is not None else None
    return "" if active is None else str(active.info.run_id)


def _notebook() -> str:
    """Return the path of the notebook that this kernel serves; empty where this is none."""
    asked = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if asked is None else asked()
    if shell is None or getattr(shell, "kernel", None) is None:
        return ""
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(path or "notebook")


def _say(text: str) -> None:
    sys.stderr.write(f"muniment: {text}\n")
