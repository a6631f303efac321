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
from lineage.recompute.collecting import collect_tree, make_place, remove_folder
from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.limits import GIB, MIB, Ended, Limits, Why
from lineage.recompute.mounts import Mount, interpreter_mounts
from lineage.recompute.results import TrainedRun, read_runs
from lineage.recompute.sandbox import Sandbox
from muniment.lineage_file import LineageFile

_INSIDE: Final = Path(__file__).with_name("inside")
_NOTEBOOK: Final = PurePosixPath("/muniment/notebook.py")
_DATABASE: Final = PurePosixPath("mlflow/mlflow.db")
_THREADS: Final = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
)
_MAX_MODEL_BYTES: Final = 8 * GIB
_MAX_MODEL_FILES: Final = 20_000
_PLAIN_WORDS: Final = {
    Why.OUT_OF_MEMORY: "ran out of memory: it used more than {memory} MiB",
    Why.OUT_OF_TIME: "ran out of time: it took more than {seconds:g} seconds",
    Why.TOO_MUCH_OUTPUT: "wrote more than {output} MiB on its output",
    Why.TOO_MUCH_WRITTEN: "wrote more files, or larger ones, than it may",
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training came to.

    Attributes:
        model: a folder with what the run logged as its model, in plain files that nobody else can
            write; None where it logged none.
        artifacts: of the model's folder, name → SHA-256.
    """

    ended: Ended
    parameters: Mapping[str, str]
    metrics: Mapping[str, float | None]
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
        datasets: place, or address where it has none → the bytes of each data set of the capture;
            the program cannot change them.
        work: a folder for this alone, which need not exist. What the program could write in is
            gone afterwards; the model lies here.
        parameters: that the version's run recorded: they tell which of several runs is meant.

    Raises:
        RecomputeError: ``training.…``: the program failed, its last lines in the message, or went
            beyond a limit, or recorded no run; ``code.…``: the command cannot be called;
            ``data.…``: a data set is not given or has no place; ``outputs.…``: what it left
            cannot be read.
        RecomputationCancelled: it was cancelled.
        SandboxUnavailable: no sandbox can be built.
    """
    work.mkdir(parents=True, exist_ok=True)
    inside = work / "inside"
    try:
        inside.mkdir(mode=0o700)
        shutil.copytree(checkout, inside / "code", symlinks=True)
        for name in ("home", "tmp", "mlflow", "data"):
            (inside / name).mkdir()
        ended = _run(
            capture,
            environment=environment,
            datasets=datasets,
            inside=inside,
            sandbox=sandbox,
            limits=limits,
            on_output=on_output,
            cancelled=cancelled,
        )
        run = _meant(read_runs(inside, _DATABASE, sandbox), parameters or {})
        trained = Trained(ended, run.parameters, run.metrics)
        if not run.models:
            return trained
        artifacts = collect_tree(
            inside,
            PurePosixPath(run.models[0]),
            work / "model",
            at_most_bytes=_MAX_MODEL_BYTES,
            at_most_files=_MAX_MODEL_FILES,
        )
        return replace(trained, model=work / "model", artifacts=artifacts)
    finally:
        remove_folder(inside)


def _run(
    capture: LineageFile,
    *,
    environment: Environment,
    datasets: Mapping[str, Path],
    inside: Path,
    sandbox: Sandbox,
    limits: Limits,
    on_output: Callable[[bytes], None] | None,
    cancelled: Callable[[], bool],
) -> Ended:
    mounts = [*interpreter_mounts(environment.python)]
    placed = place_datasets(capture.datasets, [mount.target for mount in mounts])
    mounts += _dataset_mounts(placed, datasets, inside)
    arguments, more = _command(capture, environment, placed)
    folder = starting_folder(capture)
    if folder is None or not (inside / folder.relative_to(WORK)).is_dir():
        raise _error(
            "code.folder",
            f"The code has no folder {capture.command.folder[:200]!r}, where the command was run.",
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
    if ended.why is Why.CANCELLED:
        raise RecomputationCancelled("The recomputation was cancelled while it trained.")
    if not ended.succeeded:
        code = "failed" if ended.why is Why.EXITED else ended.why.value
        raise _error(f"training.{code}", _describe_failure(ended, limits))
    return ended


def _describe_failure(ended: Ended, limits: Limits) -> str:
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
        source = datasets.get(one.names[0]) if one.names else None
        if source is None:
            raise _error("data.not_given", f"The data set {one.reference.name} was not fetched.")
        if WORK in one.target.parents:
            make_place(inside, one.target.relative_to(WORK), is_folder=source.is_dir())
        _open_to_all(source)
        mounts[one.target] = Mount(source, one.target)
    return list(mounts.values())


def _open_to_all(source: Path) -> None:
    """Let the job's user read it, who is not ours; it lies in folders that are closed to others."""
    for path in (source, *source.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if path.is_dir() else 0o444))


def _command(
    capture: LineageFile, environment: Environment, placed: Sequence[Placed]
) -> tuple[list[str], list[Mount]]:
    """Return the command as it is called inside, and what has to be there for it."""
    if capture.code.notebook:
        notebook = CODE / PurePosixPath(capture.code.notebook)
        program = [str(environment.python), str(_NOTEBOOK), str(notebook)]
        return program, [Mount(_INSIDE / "notebook.py", _NOTEBOOK)]
    if not capture.command.arguments:
        raise _error("code.command", "The record does not say by which command it was trained.")
    first, *rest = local_arguments(capture.command.arguments, placed)
    script = environment.python.parent / PurePosixPath(first).name
    if is_interpreter(first):
        first = str(environment.python)
    elif script.exists():
        first = str(script)
    elif "/" not in first or first.startswith("/"):
        raise _error(
            "code.command",
            f"The recorded command starts with {first[:100]!r}, which is neither Python, nor in "
            "the recorded environment, nor a file of the code.",
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


def _meant(runs: Sequence[TrainedRun], parameters: Mapping[str, str]) -> TrainedRun:
    """Return the run that a version came from: with a model, and its parameters.

    Parameters say what was wanted. By metrics the one would be found that came out best.
    """

    def likeness(run: TrainedRun) -> tuple[bool, int]:
        same = sum(run.parameters.get(name) == value for name, value in parameters.items())
        return bool(run.models), same

    if not runs:
        raise _error("training.no_run", "The training recorded no run in MLflow.")
    return max(runs, key=likeness)


def _error(code: str, sentence: str) -> RecomputeError:
    leg = code.partition(".")[0]
    leg = leg if leg in ("code", "data") else ""
    return RecomputeError(sentence, code=code, leg=leg)
