"""``muniment run``: a command, and beside it the record of what it was made of.

Law: a command that would have worked works. What cannot be recorded is said; only changes that no
commit holds stop it before it starts.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from muniment.capture.command import CommandLine, describe_command
from muniment.capture.data import WatchedDataset, look_again, not_yet, watch_datasets
from muniment.capture.document import Seen, dataset_tags, hints_of, start_tags, write_lineage
from muniment.capture.environment import (
    Probe,
    SeenEnvironment,
    describe_environment,
)
from muniment.capture.git import Repository, look_at_repository, refusal
from muniment.capture.launchers import interpreter_of, split_launcher
from muniment.capture.local_tracking import InterpreterTracking, is_proxied, tracking_for
from muniment.capture.notes import NOTES_VARIABLE, read_notes
from muniment.capture.rest_tracking import RestTracking
from muniment.capture.supervising import CANNOT_RUN, NOT_FOUND, run_command
from muniment.capture.tracking import FoundRun, Tracking, TrackingError
from muniment.lineage_file import CapturedEnvironment, Fault

RUN_CONTEXT: Final = "MLFLOW_RUN_CONTEXT"
# Of ours, as `docker run` and `git bisect` have it: no status of the command.
REFUSED: Final = 125

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run and recorded.

    Attributes:
        data: (role, path or URI).
        variables: names of environment variables to record beside the usual ones.
    """

    arguments: tuple[str, ...]
    data: tuple[tuple[str, str], ...] = ()
    variables: tuple[str, ...] = ()
    allow_dirty: bool = False


@dataclass(slots=True)
class _Preparation:
    capture_id: str
    started_at: datetime
    repository: Repository
    command: CommandLine
    watched: Sequence[WatchedDataset]
    faults: list[Fault]
    interpreter: Sequence[str]
    notes: Path
    probe: Probe

    def close(self) -> None:
        self.probe.close()
        self.notes.unlink(missing_ok=True)


class _Refused(Exception):
    """The command is not started; the message says why and what to do."""


def run_recorded(wish: Wish, *, environment: Mapping[str, str], folder: Path, say: Say) -> int:
    """Run a command and record it into the MLflow runs that it makes.

    Args:
        say: told one line at a time what was recorded and what could not be.

    Returns:
        the command's exit status, minus the signal's number where one ended it; 125 where changes
        that no commit holds are refused, 126 and 127 where the command cannot be started.
    """
    given = dict(environment)
    prepared = None
    try:
        prepared = _prepare(wish, environment=environment, folder=folder)
        given[RUN_CONTEXT] = context_with(environment, _tags(prepared))
        given[NOTES_VARIABLE] = str(prepared.notes)
    except _Refused as error:
        say(str(error))
        return REFUSED
    except Exception as error:  # noqa: BLE001 - whatever it is, the training is not ours to stop
        say(f"nothing is recorded of this command: {type(error).__name__}: {error}")
    try:
        status = run_command(wish.arguments, environment=given)
    except FileNotFoundError:
        say(f"{wish.arguments[0]}: command not found")
        return _not_started(NOT_FOUND, prepared)
    except OSError as error:
        say(f"{wish.arguments[0]}: {error.strerror}")
        return _not_started(CANNOT_RUN, prepared)
    if prepared is not None:
        try:
            _record(prepared, environment=environment, folder=folder, say=say)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the status is the command's
            say(f"the lineage was not recorded: {type(error).__name__}: {error}")
        finally:
            prepared.close()
    return status


def _prepare(wish: Wish, *, environment: Mapping[str, str], folder: Path) -> _Preparation:
    repository = look_at_repository(folder)
    if repository.changes and not wish.allow_dirty:
        raise _Refused(refusal(repository.changes, "--allow-dirty"))
    command = describe_command(
        split_launcher(wish.arguments)[1],
        folder=folder,
        root=repository.root,
        environment=environment,
        allowed=wish.variables,
    )
    watched, faults = watch_datasets(wish.data, folder=folder, root=repository.root)
    interpreter = interpreter_of(wish.arguments, search_path=environment.get("PATH"))
    return _Preparation(
        capture_id=str(uuid.uuid4()),
        started_at=datetime.now(UTC),
        repository=repository,
        command=command,
        watched=watched,
        faults=[*repository.faults, *faults],
        interpreter=interpreter,
        notes=_new_file(),
        # Last of all: from here on the command is what is waited for.
        probe=Probe(interpreter, folder=folder, environment=environment),
    )


def context_with(environment: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """Return ``MLFLOW_RUN_CONTEXT`` with tags beside those that are in it already."""
    try:
        given = json.loads(environment.get(RUN_CONTEXT) or "{}")
    except ValueError:
        given = {}
    return json.dumps({**(given if isinstance(given, dict) else {}), **tags})


def _new_file() -> Path:
    descriptor, path = mkstemp(prefix="muniment-notes-")
    os.close(descriptor)
    return Path(path)


def _tags(prepared: _Preparation) -> dict[str, str]:
    return {
        **start_tags(prepared.capture_id, prepared.repository.code, prepared.command),
        **dataset_tags([one.reference for one in prepared.watched]),
    }


def _not_started(status: int, prepared: _Preparation | None) -> int:
    if prepared is not None:
        prepared.close()
    return status


def _record(
    prepared: _Preparation, *, environment: Mapping[str, str], folder: Path, say: Say
) -> None:
    seen = _seen(prepared, folder)
    resumed = environment.get("MLFLOW_RUN_ID", "")
    ways = _Ways(prepared.interpreter, folder, environment)
    try:
        runs = ways.first().find_runs(prepared.capture_id, [resumed] if resumed else [])
        for run in runs:
            file = write_lineage(seen, run, ways.of(run), capture_id=prepared.capture_id)
            say(f"recorded what the run {run.run_id} was made of")
            for hint in hints_of(file):
                say(f"  {hint}")
            if not any(one.role == "training" for one in file.datasets):
                say("  No data set is named as training data: --data training=PATH names one.")
        if not runs:
            say(_nothing_found(environment))
    except TrackingError as error:
        say(f"the lineage was not recorded: {error}")
    finally:
        ways.close()


def _nothing_found(environment: Mapping[str, str]) -> str:
    place = "MLFLOW_TRACKING_URI" if environment.get("MLFLOW_TRACKING_URI") else "MLflow's default"
    return (
        f"the command made no MLflow run that could be found ({place} is where it was looked for), "
        "so nothing was recorded. A script that names its server itself needs "
        "MLFLOW_TRACKING_URI set to the same."
    )


def _seen(prepared: _Preparation, folder: Path) -> Seen:
    said = prepared.probe.answer()
    notes = read_notes(prepared.notes)
    faults = [*prepared.faults, *notes.faults]
    root = prepared.repository.root
    if said is None:
        environment = SeenEnvironment(CapturedEnvironment())
        faults.append(
            Fault(
                "The environment is not recorded: the command's Python is not known, or does not "
                "answer. Name it first: muniment run -- /path/to/python train.py",
                "environment",
            )
        )
    else:
        environment = describe_environment(said, folder=folder, root=root)
    named = look_again(prepared.watched)
    return Seen(
        mode="run",
        captured_at=prepared.started_at,
        folder=folder,
        root=root,
        code=prepared.repository.code,
        command=prepared.command,
        seen=environment,
        datasets=(*named, *not_yet(notes.datasets, named)),
        seeds=notes.seeds,
        faults=tuple(faults),
    )


class _Ways:
    """The ways to the runs: the server, and where that does not serve artifacts, the command's
    own MLflow.
    """

    def __init__(
        self, interpreter: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._given = (interpreter, folder, environment)
        self._opened: list[Tracking] = []

    def first(self) -> Tracking:
        interpreter, folder, environment = self._given
        self._opened.append(tracking_for(environment, interpreter=interpreter, folder=folder))
        return self._opened[0]

    def of(self, run: FoundRun) -> Tracking:
        if is_proxied(run) or not isinstance(self._opened[0], RestTracking):
            return self._opened[0]
        if len(self._opened) == 1:
            interpreter, folder, environment = self._given
            beside = InterpreterTracking(interpreter, folder=folder, environment=environment)
            self._opened.append(beside)
        return self._opened[1]

    def close(self) -> None:
        for one in self._opened:
            one.close()
