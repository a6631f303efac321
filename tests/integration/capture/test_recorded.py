"""What of data, code and environment ends in the record, and what is said to be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.lineage_file import UV_LOCK_PATH
from tests.integration.capture.conftest import QUICK, Project

PYTHON = sys.executable


def test_data_that_change_while_they_are_used_are_weak(project: Project, tmp_path: Path) -> None:
    data = tmp_path / "loans.csv"
    data.write_text("a\n1\n")
    project.write(train__py=QUICK + f"open({str(data)!r}, 'a').write('2\\n')\n")
    project.commit()
    ended = project.run("--data", f"training={data}", "--", PYTHON, "train.py")
    [dataset] = project.lineage(ended.run_id).datasets
    assert dataset.weak_reason.startswith("Its file was changed while the command ran.")


def test_several_data_sets_keep_their_roles_and_names_apart(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_text("1")
    (tmp_path / "x.csv").write_text("2")
    ended = project.run(
        *("--data", f"training={tmp_path / 'x.csv'}"),
        *("--data", f"training={tmp_path / 'a' / 'x.csv'}"),
        *("--data", f"evaluation={tmp_path / 'a'}"),
        *("--", PYTHON, "train.py"),
    )
    found = [
        (one.role, one.name, one.digest.algorithm) for one in project.lineage(ended.run_id).datasets
    ]
    assert found == [
        ("training", "x.csv", "sha256"),
        ("training", "x.csv (2)", "sha256"),
        ("evaluation", "a", "dirHash"),
    ]


def test_data_in_the_commit_are_pinned(project: Project) -> None:
    project.write(data__csv="1,2\n")
    project.commit()
    ended = project.run("--data", "training=data.csv", "--", PYTHON, "train.py")
    [dataset] = project.lineage(ended.run_id).datasets
    assert dataset.is_pinned
    assert dataset.place == "data.csv"


def test_path_into_the_repository_can_be_run_elsewhere(project: Project) -> None:
    (project.folder / "models").mkdir()
    (project.folder / "models" / "train.py").write_text(QUICK)
    project.commit()
    inside = Project(project.folder / "models", project.mlflow_url, project.environment)
    ended = inside.run("--", PYTHON, str(inside.folder / "train.py"), f"--out={project.folder}/x")
    command = inside.lineage(ended.run_id).command
    assert command.folder == "models"
    assert command.arguments[1:] == ("train.py", "--out=../x")


def test_secrets_in_the_command_are_left_out_and_that_is_said(project: Project) -> None:
    ended = project.run(
        *("--env", "LOANS_REGION", "--env", "LOANS_TOKEN"),
        *("--", PYTHON, "train.py", "--api-key", "s3cr3t", "token=s3cr3t"),
        "https://me:s3cr3t@example.org/?sig=s3cr3t",
    )
    assert ended.status == 0
    content = project.artifact(ended.run_id, "muniment/lineage.json")
    assert b"s3cr3t" not in content
    assert "s3cr3t" not in str(project.tags(ended.run_id))
    assert any("secret" in fault.sentence for fault in project.lineage(ended.run_id).faults)


def test_chosen_variables_are_recorded_and_no_others(project: Project) -> None:
    project.environment.update(
        LOANS_REGION="north", LOANS_TOKEN="s3cr3t", LOANS_OTHER="x", OMP_NUM_THREADS="1"
    )
    ended = project.run("--env", "LOANS_REGION", "--env", "LOANS_TOKEN", "--", PYTHON, "train.py")
    file = project.lineage(ended.run_id)
    assert {
        name: file.command.environment[name] for name in ("LOANS_REGION", "OMP_NUM_THREADS")
    } == {
        "LOANS_REGION": "north",
        "OMP_NUM_THREADS": "1",
    }
    assert not {"LOANS_TOKEN", "LOANS_OTHER", "HOME", "PATH"} & set(file.command.environment)
    assert any("LOANS_TOKEN" in fault.sentence for fault in file.faults)


def test_repository_without_a_remote_is_said_to_have_none(project: Project) -> None:
    project.git("remote", "remove", "origin")
    ended = project.run("--", PYTHON, "train.py")
    file = project.lineage(ended.run_id)
    assert file.code.remote == ""
    assert len(file.code.commit) == 40
    assert any("no remote" in fault.sentence for fault in file.faults)


def test_commit_that_nobody_can_fetch_is_said_to_be_unpushed(project: Project) -> None:
    project.commit(push=False)
    ended = project.run("--", PYTHON, "train.py")
    assert any("push it" in fault.sentence for fault in project.lineage(ended.run_id).faults)


def test_files_that_git_was_told_not_to_look_at_are_named(project: Project) -> None:
    project.write(features__py="DEPTH = 3\n", absent__py="", other__py="")
    project.commit()
    project.git("update-index", "--assume-unchanged", "train.py")
    project.git("update-index", "--skip-worktree", "features.py", "absent.py")
    project.write(train__py=QUICK + "print(run_id)\n", features__py="DEPTH = 30\n")
    # As a sparse checkout leaves it: what is not there trained nothing.
    (project.folder / "absent.py").unlink()
    ended = project.run("--", PYTHON, "train.py")
    file = project.lineage(ended.run_id)
    assert file.code.is_dirty is False
    [fault] = file.faults
    assert fault.leg == "code"
    assert fault.sentence.startswith("Git is told not to look at features.py, train.py, so that")
    assert "not to look at features.py, train.py" in ended.said


def test_credentials_of_the_remote_are_not_recorded(project: Project) -> None:
    project.git("remote", "set-url", "origin", "https://me:s3cr3t@git.example.org/loans.git")
    ended = project.run("--", PYTHON, "train.py")
    assert project.lineage(ended.run_id).code.remote == "https://git.example.org/loans.git"
    assert "s3cr3t" not in str(project.tags(ended.run_id))


def test_several_runs_of_one_command_are_each_recorded(project: Project) -> None:
    project.write(train__py=QUICK + QUICK)
    project.commit()
    ended = project.run("--", PYTHON, "train.py")
    first, second = ended.output.split()
    assert project.lineage(first).code == project.lineage(second).code
    assert project.tags(first)["muniment.capture"] == project.tags(second)["muniment.capture"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with one package in it that is installed for editing, from its folder."""
    folder = tmp_path_factory.mktemp("editable")
    (folder / "loans" / "src" / "loans").mkdir(parents=True)
    (folder / "loans" / "src" / "loans" / "__init__.py").write_text("")
    (folder / "loans" / "pyproject.toml").write_text(
        '[project]\nname = "loans"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    # As setuptools and hatchling do it, without fetching either.
    (folder / "loans" / "backend.py").write_text(
        """
import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "loans-1.0-py3-none-any.whl"
    root = pathlib.Path(__file__).parent
    files = {
        "__editable__.loans.pth": str(root / "src") + "\\n",
        "loans-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: loans\\nVersion: 1.0\\n",
        "loans-1.0.dist-info/WHEEL":
            "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files["loans-1.0.dist-info/RECORD"] = "".join(
        f"{one},,\\n" for one in [*files, "loans-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for one, text in files.items():
            wheel.writestr(one, text)
    return name
"""
    )
    from uv import find_uv_bin

    for arguments in (
        ("venv", "--quiet", "--python", sys.executable, "env"),
        ("pip", "install", "--quiet", "--offline", "--python", "env", "-e", "loans"),
    ):
        subprocess.run([find_uv_bin(), *arguments], cwd=folder, check=True)
    return folder


def test_editable_install_of_elsewhere_is_named(project: Project, environment: Path) -> None:
    ended = project.run("--", str(environment / "env" / "bin" / "python"), "train.py")
    file = project.lineage(ended.run_id)
    assert any(
        line.startswith("loans: an editable install of") for line in file.environment.inexact
    )
    assert file.command.import_roots == ()
    assert file.environment.packages == ()


def test_editable_install_of_the_repository_itself_is_a_root_of_imports(
    project: Project, environment: Path
) -> None:
    own = Project(environment / "loans", project.mlflow_url, project.environment)
    own.write(train__py=QUICK)
    own.git("init", "--quiet", "--initial-branch", "main")
    own.commit(push=False)
    ended = own.run("--", str(environment / "env" / "bin" / "python"), "train.py")
    file = own.lineage(ended.run_id)
    assert file.command.import_roots == ("src",)
    assert file.environment.inexact == ()


def test_hashes_of_the_lock_stand_beside_the_versions(
    project: Project, example_python: Path
) -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "boston_mortgage"
    for name in ("pyproject.toml", "uv.lock"):
        (project.folder / name).write_bytes((example / name).read_bytes())
    project.commit()
    ended = project.run("--", str(example_python), "train.py")
    file = project.lineage(ended.run_id)
    assert file.environment.inexact == ()
    assert file.faults == ()
    lines = project.artifact(ended.run_id, "muniment/requirements.lock.txt").decode().splitlines()
    assert all("==" in line and " --hash=sha256:" in line for line in lines)
    assert project.artifact(ended.run_id, UV_LOCK_PATH) == (example / "uv.lock").read_bytes()
    assert len(file.environment.packages) == len(lines) > 40


def test_environment_of_a_program_that_is_no_python_is_said_to_be_unknown(
    project: Project,
) -> None:
    ended = project.run("--", "/bin/sh", "-c", f"{PYTHON} train.py")
    assert ended.status == 0
    file = project.lineage(ended.run_id)
    assert file.environment.lock_sha256 == ""
    assert any("The environment is not recorded" in fault.sentence for fault in file.faults)


def test_program_behind_a_launcher_is_recorded_without_it(project: Project) -> None:
    from uv import find_uv_bin

    project.environment["PATH"] = f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"
    launcher = ("uv", "run", "--no-project", "--offline", "--python", PYTHON)
    ended = project.run("--", *launcher, "train.py", "--seed", "7")
    assert ended.status == 0, ended.said
    file = project.lineage(ended.run_id)
    assert file.command.arguments == ("python", "train.py", "--seed", "7")
    assert file.environment.python == ".".join(map(str, sys.version_info[:3]))
    assert file.environment.lock_sha256 != ""
