"""Training once in the sandbox, by the recorded command, and reading what came of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from lineage.domain.placing import (
    CODE,
    WORK,
    Placed,
    import_roots,
    is_interpreter,
    local_arguments,
    place_datasets,
    starting_folder,
)
from lineage.recompute.collecting import collect_tree, make_place
from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB, MIB, Ended, Limits, Why
from lineage.recompute.mounts import Mount, interpreter_mounts
from lineage.recompute.results import TrainedRun, read_runs
from lineage.recompute.sandbox import Sandbox
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import LineageFile

_INSIDE: Final = Path(__file__).with_name("inside")
_NOTEBOOK: Final = PurePosixPath("/muniment/notebook.py")
_DATABASE: Final = PurePosixPath("mlflow/mlflow.db")
_THREADS: Final = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT"),
)
_MAX_MODEL_BYTES: Final = 8 * GIB
_MAX_MODEL_FILES: Final = 20_000
_PLAIN_WORDS: Final = {
    Why.OUT_OF_MEMORY: "ran out of memory: it used more than {memory} MiB",
    Why.OUT_OF_TIME: "ran out of time: it took more than {seconds:g} seconds",
    Why.TOO_MUCH_OUTPUT: "wrote more than {output} MiB on its output",
    Why.TOO_MUCH_WRITTEN: "wrote more files, or larger ones, than it may",
    Why.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training came to.

    Attributes:
        failure: why there is no result, in a sentence with the program's last lines, which are
            hostile text; empty where it came to its end and recorded a run.
        model: a folder with what the run logged as its model, plain files that nobody else can
            write; None where it logged none.
        artifacts: of the model's folder, name → SHA-256.
    """

    ended: Ended
    failure: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    model: Path | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)


def train_once(
    capture: LineageFile,
    *,
    checkout: Path,
    environment: Environment,
    datasets: Mapping[str, Path],
    work: Path,
    sandbox: Sandbox,
    limits: Limits,
    parameters: Mapping[str, str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Trained:
    """Run the recorded command in the sandbox, and read the run that it recorded.

    Args:
        checkout: the code, as `check_out` wrote it; it is copied.
        datasets: place, or address where it has no place → the bytes, read-only for the program.
        work: an empty folder. It is the program's afterwards: `remove_folder` removes it; the
            model lies beside what the program could reach.
        parameters: that the version's run recorded: they tell which of several runs is meant.

    Raises:
        RecomputeError: a data set is not given or has no place, the command starts with what is
            not there, or what was left cannot be read.
        SandboxUnavailable: no sandbox can be built.
    """
    inside = work / "inside"
    inside.mkdir(mode=0o700)
    shutil.copytree(checkout, inside / "code", symlinks=True)
    for name in ("home", "tmp", "mlflow", "data"):
        (inside / name).mkdir()
    mounts = [*interpreter_mounts(environment.python)]
    placed = place_datasets(capture.datasets, [mount.target for mount in mounts])
    mounts += _dataset_mounts(placed, datasets, inside)
    arguments, more = _command(capture, environment, placed)
    folder = starting_folder(capture)
    if folder is None or not (inside / folder.relative_to(WORK)).is_dir():
        raise RecomputeError(
            f"The code has no folder {capture.command.folder[:200]!r}, where the command was run.",
            code="code.folder",
            leg="code",
        )
    ended = sandbox.run(
        arguments,
        work=inside,
        mounts=[*mounts, *more],
        environment=_variables(capture, environment, placed),
        limits=limits,
        folder=folder,
        on_output=on_output,
        cancelled=cancelled,
    )
    if not ended.succeeded:
        return Trained(ended, failure=describe_failure(ended, limits))
    run = _meant(read_runs(inside, _DATABASE, sandbox), parameters or {})
    if run is None:
        return Trained(ended, failure="The training recorded no run in MLflow.")
    trained = Trained(ended, parameters=run.parameters, metrics=run.metrics)
    if not run.models:
        return trained
    model = work / "model"
    artifacts = collect_tree(
        inside,
        PurePosixPath(run.models[0]),
        model,
        at_most_bytes=_MAX_MODEL_BYTES,
        at_most_files=_MAX_MODEL_FILES,
    )
    return replace(trained, model=model, artifacts=artifacts)


def describe_failure(ended: Ended, limits: Limits) -> str:
    """Return a sentence that says why a program did not come to a good end."""
    words = _PLAIN_WORDS.get(ended.why)
    if words is not None:
        how = words.format(
            memory=limits.memory_bytes // MIB,
            seconds=limits.wall_seconds,
            output=limits.output_bytes // MIB,
        )
        return f"The training {how}."
    last = "\n".join(ended.last_lines.strip().splitlines()[-5:])[-1_000:]
    said = f" Its last lines: {last}" if last else " It wrote nothing."
    return f"The training ended with status {ended.exit_status}.{said}"


def _dataset_mounts(
    placed: Sequence[Placed], datasets: Mapping[str, Path], inside: Path
) -> list[Mount]:
    mounts: dict[PurePosixPath, Mount] = {}
    for one in placed:
        source = _given(one.reference, datasets)
        if source is None:
            raise RecomputeError(
                f"The data set {one.reference.name} is not there to train on.",
                code="data.not_given",
                leg="data",
            )
        if WORK in one.target.parents:
            make_place(inside, one.target.relative_to(WORK), is_folder=source.is_dir())
        mounts[one.target] = Mount(source, one.target)
    return list(mounts.values())


def _given(reference: DatasetReference, datasets: Mapping[str, Path]) -> Path | None:
    return datasets.get(reference.place or reference.uri) or datasets.get(reference.uri)


def _command(
    capture: LineageFile, environment: Environment, placed: Sequence[Placed]
) -> tuple[list[str], list[Mount]]:
    """Return the command as it is called inside, and what has to be there for it."""
    if capture.code.notebook:
        notebook = CODE / PurePosixPath(capture.code.notebook)
        program = [str(environment.python), str(_NOTEBOOK), str(notebook)]
        return program, [Mount(_INSIDE / "notebook.py", _NOTEBOOK)]
    if not capture.command.arguments:
        raise RecomputeError(
            "The record does not say by which command it was trained.",
            code="code.command",
            leg="code",
        )
    first, *rest = local_arguments(capture.command.arguments, placed)
    script = environment.python.parent / PurePosixPath(first).name
    if is_interpreter(first):
        first = str(environment.python)
    elif script.exists():
        first = str(script)
    elif "/" not in first or first.startswith("/"):
        raise RecomputeError(
            f"The recorded command starts with {first[:100]!r}, which is neither Python, nor in "
            "the recorded environment, nor a file of the code.",
            code="code.command",
            leg="code",
        )
    return [first, *rest], []


def _variables(
    capture: LineageFile, environment: Environment, placed: Sequence[Placed]
) -> dict[str, str]:
    """Return the program's variables: first what was recorded, then what may not be otherwise."""
    recorded = {
        name: value for name, value in capture.command.environment.items() if name.isidentifier()
    }
    hash_seed = capture.seeds.get("PYTHONHASHSEED", "0")
    return {
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": hash_seed if hash_seed.isdecimal() else "0",
        **dict.fromkeys(_THREADS, "1"),
        **recorded,
        "PATH": f"{environment.python.parent}:/usr/bin:/bin",
        "HOME": str(WORK / "home"),
        "TMPDIR": str(WORK / "tmp"),
        "PYTHONPATH": ":".join(str(root) for root in import_roots(capture)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{WORK / _DATABASE}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(WORK / "mlflow/artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "MPLBACKEND": "Agg",
        "MUNIMENT_DATASETS": json.dumps(
            {name: str(one.target) for one in placed for name in one.names}
        ),
    }


def _meant(runs: Sequence[TrainedRun], parameters: Mapping[str, str]) -> TrainedRun | None:
    """Return the run that a version came from: with a model, and its parameters.

    Parameters say what was wanted. By metrics the one would be found that came out best.
    """

    def likeness(run: TrainedRun) -> tuple[bool, int]:
        same = sum(run.parameters.get(name) == value for name, value in parameters.items())
        return bool(run.models), same

    return max(runs, key=likeness, default=None)
