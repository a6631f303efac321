"""A command line as it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.capture.command import describe_command
from muniment.capture.launchers import interpreter_of, split_launcher
from muniment.lineage_file import Fault

ROOT = Path("/work/loans")


def described(*arguments: str, root: Path | None = ROOT, **environment: str) -> tuple[str, ...]:
    found = describe_command(arguments, folder=ROOT, root=root, environment=environment)
    return found.command.arguments


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        (("--token", "abc"), ("--token", "redacted")),
        (("--api-key=abc",), ("--api-key=redacted",)),
        (("db.password=abc",), ("db.password=redacted",)),
        (("--aws-secret-access-key", "abc"), ("--aws-secret-access-key", "redacted")),
        (("--auth", "--verbose"), ("--auth", "--verbose")),
        (("https://me:abc@host/x",), ("https://redacted@host/x",)),
        (
            ("s3://b/k?X-Amz-Signature=abc&a=1",),
            ("s3://b/k?X-Amz-Signature=redacted&a=1",),
        ),
        # What only sounds like it.
        (("--tokenizer", "bert"), ("--tokenizer", "bert")),
        (("--max-tokens=5",), ("--max-tokens=5",)),
        (("--author", "me"), ("--author", "me")),
    ],
)
def test_secrets_are_left_out(given: tuple[str, ...], recorded: tuple[str, ...]) -> None:
    assert described("python", "train.py", *given) == ("python", "train.py", *recorded)


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (("--seed", "7"), {"seed": "7"}),
        (("--random-state=7",), {"random-state": "7"}),
        (("trainer.seed=7",), {"trainer.seed": "7"}),
        (("--data_seed", "7"), {"data_seed": "7"}),
        (("--seed",), {}),
        (("--seed", "--fast"), {}),
        (("seed", "7"), {}),
        (("--seeds-file=x",), {}),
    ],
)
def test_seeds_are_read_off_the_command_line(given: tuple[str, ...], seeds: dict[str, str]) -> None:
    found = describe_command(("python", *given), folder=ROOT, root=ROOT, environment={})
    assert found.seeds == seeds


@pytest.mark.parametrize(("value", "seeds"), [("0", {"PYTHONHASHSEED": "0"}), ("random", {})])
def test_hash_seed_counts_where_it_is_one(value: str, seeds: dict[str, str]) -> None:
    found = describe_command(
        ("python",), folder=ROOT, root=ROOT, environment={"PYTHONHASHSEED": value}
    )
    assert found.seeds == seeds


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("/work/loans/data/x.csv", "data/x.csv"),
        ("--data=/work/loans/x.csv", "--data=x.csv"),
        ("/srv/x.csv", "/srv/x.csv"),
        ("/work/loans-2/x.csv", "/work/loans-2/x.csv"),
        ("/work/loans/../other", "/work/other"),
        ("../no-such-file", "../no-such-file"),
    ],
)
def test_paths_into_the_repository_are_relative(given: str, recorded: str) -> None:
    assert described("python", given)[1:] == (recorded,)


def test_program_without_arguments_has_none() -> None:
    assert described() == ()


def test_path_out_of_the_repository_is_absolute(tmp_path: Path) -> None:
    (tmp_path / "loans").mkdir()
    (tmp_path / "x.csv").write_text("")
    found = describe_command(
        ("python", "../x.csv"), folder=tmp_path / "loans", root=tmp_path / "loans", environment={}
    )
    assert found.command.arguments == ("python", str(tmp_path / "x.csv"))


def test_search_path_is_a_root_of_imports_where_a_commit_has_it() -> None:
    found = describe_command(
        ("python",),
        folder=ROOT / "models",
        root=ROOT,
        environment={"PYTHONPATH": "../src:/usr/lib/elsewhere"},
    )
    assert found.command.import_roots == ("src",)
    assert found.command.folder == "models"
    assert found.faults == (
        Fault("PYTHONPATH names /usr/lib/elsewhere, which is in no commit.", "code"),
    )


@pytest.mark.parametrize(
    ("first_lines", "interpreter"),
    [
        ("#!{python}\n", "{python}"),
        ("#!/usr/bin/env python3\n", "{python}"),
        ("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n", "{python}"),
        ("#!/bin/sh\npython train.py\n", ""),
        ("#!/usr/bin/env\n", ""),
        ("no first line", ""),
        ("", ""),
    ],
)
def test_script_runs_on_the_python_that_its_first_line_names(
    first_lines: str, interpreter: str, tmp_path: Path
) -> None:
    python = tmp_path / "python3"
    script = tmp_path / "train"
    for path, text in ((python, ""), (script, first_lines.format(python=python))):
        path.write_text(text)
        path.chmod(0o700)
    found = interpreter_of(("train", "--fast"), search_path=str(tmp_path))
    assert found == ((interpreter.format(python=python),) if interpreter else ())
    assert interpreter_of(("python3", "x.py"), search_path=str(tmp_path)) == (str(python),)
    assert interpreter_of(("no-such",), search_path=str(tmp_path)) == ()


def test_environment_of_a_project_of_mlflow_is_not_that_of_mlflow(tmp_path: Path) -> None:
    script = tmp_path / "mlflow"
    script.write_text(f"#!{tmp_path / 'python3'}\n")
    script.chmod(0o700)
    found = {
        word: interpreter_of(("mlflow", word), search_path=str(tmp_path))
        for word in ("run", "models")
    }
    assert found == {"run": (), "models": (str(tmp_path / "python3"),)}


@pytest.mark.parametrize(
    ("given", "launcher", "program"),
    [
        ("uv run --frozen python train.py", "uv run --frozen", "python train.py"),
        ("uv run train.py --seed 7", "uv run", "python train.py --seed 7"),
        ("uv run --with rich -m train x.py", "uv run --with rich", "python -m train x.py"),
        (
            "uv run --python /usr/bin/python3 x.py",
            "uv run --python /usr/bin/python3",
            "python x.py",
        ),
        ("uv run --script train.py", "", "uv run --script train.py"),
        ("/opt/bin/poetry run python3.11 -m train", "/opt/bin/poetry run", "python3.11 -m train"),
        ("poetry run train.py", "", "poetry run train.py"),
        ("conda run -n loans python train.py", "conda run -n loans", "python train.py"),
        ("uv sync", "", "uv sync"),
        ("python train.py", "", "python train.py"),
    ],
)
def test_launcher_is_told_from_the_program(given: str, launcher: str, program: str) -> None:
    assert split_launcher(given.split()) == (tuple(launcher.split()), tuple(program.split()))
