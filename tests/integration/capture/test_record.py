"""``record`` and ``dataset`` inside real programs, with the real MLflow client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from muniment import capture
from muniment.attest.digest import sha256_file
from muniment.capture.notes import read_notes
from muniment.lineage_file import LineageFile, parse_lineage_file
from tests.integration.capture.conftest import Ended, Project

PYTHON = sys.executable
# Everything that is tried of MLflow's own client, in one process: starting that takes seconds.
SCRIPT = """\
import json, os, sys
import mlflow
from muniment import capture

def lineage(run):
    path = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="muniment/lineage.json")
    return json.load(open(path))

said = {}
with capture.record(seeds={"numpy": 7}):
    path = capture.dataset("data.csv")
    with mlflow.start_run() as run:
        mlflow.log_param("seed", 0)
        mlflow.log_text("0.9", "metrics.txt")
said["around"] = lineage(run)
said["context"] = os.environ.get("MLFLOW_RUN_CONTEXT")
said["path"] = path

with mlflow.start_run() as run:
    mlflow.log_text("0.8", "first.txt")
    capture.record(notebook="train.ipynb")
said["called"] = lineage(run)

open("changed.py", "w").write("pass")
try:
    capture.record()
except capture.CaptureRefused as error:
    said["refused"] = str(error)
with capture.record(allow_dirty=True), mlflow.start_run() as run:
    pass
said["dirty"] = lineage(run)
json.dump(said, open(sys.argv[1], "w"))
"""


def ran(project: Project, script: str, *arguments: str) -> Ended:
    """Run a script without ``muniment run``."""
    _, environment = project.command()
    done = subprocess.run(
        [PYTHON, "-c", script, *arguments],
        cwd=project.folder,
        env={**environment, **project.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def file_of(said: object) -> LineageFile:
    return parse_lineage_file(json.dumps(said).encode())


def test_program_records_itself(new_project: Callable[..., Project], tmp_path: Path) -> None:
    project = new_project()
    project.write(data__csv="1,2\n")
    commit = project.commit()
    ended = ran(project, SCRIPT, str(tmp_path / "said.json"))
    assert ended.status == 0, ended.said
    said = json.loads((tmp_path / "said.json").read_text())
    around = file_of(said["around"])
    assert around.mode == "script"
    assert around.code.commit == commit
    assert around.code.is_dirty is False
    assert around.seeds == {"seed": "0", "numpy": "7"}
    assert [(one.name, one.place, one.is_pinned) for one in around.datasets] == [
        ("data.csv", "data.csv", True)
    ]
    assert list(around.outputs) == ["metrics.txt"]
    assert around.command.arguments[1] == "-c"
    assert {one.name for one in around.environment.packages} >= {"numpy", "mlflow"}
    assert said["path"] == str(project.folder / "data.csv")
    assert said["context"] is None
    called = file_of(said["called"])
    assert called.mode == "notebook"
    assert called.code.notebook == "train.ipynb"
    assert list(called.outputs) == ["first.txt"]
    assert "changed.py" in said["refused"]
    assert "allow_dirty=True" in said["refused"]
    assert file_of(said["dirty"]).code.is_dirty is True


def test_runs_in_a_database_are_recorded_through_the_commands_mlflow(
    new_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = new_project(
        "import mlflow\nwith mlflow.start_run() as run:\n    mlflow.log_text('1', 'a.txt')\n"
        "print(run.info.artifact_uri)\n"
    )
    project.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'runs.db'}"
    project.environment["_MLFLOW_SERVER_ARTIFACT_ROOT"] = str(tmp_path / "artifacts")
    ended = project.run("--", PYTHON, "train.py")
    assert ended.status == 0, ended.said
    folder = Path(ended.output.split()[-1].removeprefix("file://"))
    file = parse_lineage_file((folder / "muniment" / "lineage.json").read_bytes())
    assert file.mode == "run"
    assert list(file.outputs) == ["a.txt"]


NOTING = """\
from muniment import capture
with capture.record(seeds={"numpy": 7}):
    print(capture.dataset("data.csv", role="evaluation", name="held out"))
    capture.dataset("no-such.csv")
    exec(open("train.py").read())
"""


def test_under_the_command_a_program_hands_on_what_it_knows(project: Project) -> None:
    project.write(data__csv="1,2\n", noting__py=NOTING)
    project.commit()
    ended = project.run("--", PYTHON, "noting.py")
    assert ended.status == 0, ended.said
    file = project.lineage(ended.run_id)
    assert file.mode == "run"
    assert file.seeds == {"numpy": "7"}
    assert [(one.role, one.name) for one in file.datasets] == [("evaluation", "held out")]
    assert any("no-such.csv is not recorded" in fault.sentence for fault in file.faults)


def test_data_set_named_twice_is_recorded_once(project: Project) -> None:
    project.write(data__csv="1,2\n", noting__py=NOTING)
    project.commit()
    ended = project.run("--data", "evaluation=data.csv", "--", PYTHON, "noting.py")
    assert [one.name for one in project.lineage(ended.run_id).datasets] == ["data.csv"]


def test_what_a_program_noted_wrongly_is_a_fault(project: Project) -> None:
    project.write(
        noting__py="import os\nopen(os.environ['MUNIMENT_CAPTURE_NOTES'], 'w').write("
        "'{\\n[]\\n{\"seeds\": 7}\\n{\"dataset\": {}}\\n')\nexec(open('train.py').read())\n"
    )
    project.commit()
    ended = project.run("--", PYTHON, "noting.py")
    file = project.lineage(ended.run_id)
    assert file.datasets == ()
    assert any("cannot be read" in fault.sentence for fault in file.faults)


def test_in_a_recomputation_the_data_set_that_was_found_again_is_opened(
    project: Project, tmp_path: Path
) -> None:
    again = tmp_path / "again.csv"
    again.write_text("1,2\n")
    script = (
        "from muniment import capture\n"
        "for what in ('s3://bucket/loans.csv', 'data.csv', '/srv/loans.csv'):\n"
        "    print(capture.dataset(what))\n"
        # Data that were put into the checkout are no change that somebody made.
        "with capture.record():\n"
        "    pass\n"
    )
    (project.folder / "data.csv").write_text("1,2\n")
    places = {
        "s3://bucket/loans.csv": str(again),
        str(project.folder / "data.csv"): str(again),
        "file:///srv/loans.csv": str(again),
    }
    project.environment["MUNIMENT_DATASETS"] = json.dumps(places)
    assert ran(project, script).output.split() == [str(again)] * 3


def test_data_set_from_elsewhere_is_copied_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, notes = tmp_path / "served", tmp_path / "notes"
    served.mkdir()
    (served / "loans.csv").write_bytes(b"1,2\n")
    notes.touch()
    monkeypatch.setenv("MUNIMENT_CAPTURE_NOTES", str(notes))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/loans.csv"
        copy = Path(capture.dataset(address, role="validation"))
        server.shutdown()
    assert copy.read_bytes() == b"1,2\n"
    [dataset] = read_notes(notes).datasets
    assert (dataset.role, dataset.uri, dataset.kind) == ("validation", address, "object")
    assert dataset.digest == sha256_file(copy)
    assert not dataset.is_pinned
