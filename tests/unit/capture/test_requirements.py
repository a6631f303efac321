"""Which requirements pin exactly, and what of an environment does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment.capture.environment import describe_environment
from muniment.capture.requirements import fault_of, inexact_requirements
from muniment.lineage_file import Fault


@pytest.mark.parametrize(
    "line",
    [
        "pandas==3.1.1",
        "pandas[excel]==3.1.1 ; python_version >= '3.11'",
        "pandas == 3.1.1 --hash=sha256:00",
        "pandas===3.1.1",
        "-r base.txt",
        "--index-url https://example.org/simple",
    ],
)
def test_exact_pin_is_no_fault(line: str) -> None:
    assert fault_of(line) == ""


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("pandas>=2", "more than one version"),
        ("pandas~=2.0", "more than one version"),
        ("pandas==2.*", "more than one version"),
        ("pandas!=2.0", "more than one version"),
        ("pandas[excel]<3", "more than one version"),
        ("pandas", "names no version"),
        ("pandas ; python_version < '3'", "names no version"),
        ("git+https://example.org/a.git@main", "version control"),
        ("a @ git+https://example.org/a.git", "version control"),
        ("a @ https://example.org/a.whl", "a place"),
        ("https://example.org/a.whl", "a place"),
        ("./a", "a place"),
        ("-e ./lib", "editable"),
        ("--editable=.", "editable"),
    ],
)
def test_anything_else_is_named(line: str, fault: str) -> None:
    assert fault in fault_of(line)


def test_files_of_the_project_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "requirements-gpu.txt").write_text(
        "# a note\ntorch\nnumpy==2.4.6 \\\n  --hash=sha256:0\n-e .\n"
    )
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["pandas>=2", "a==1"]\n')
    assert inexact_requirements(folder, tmp_path) == (
        "requirements-gpu.txt: 'torch' names no version.",
        "pyproject.toml: 'pandas>=2' allows more than one version.",
    )
    (tmp_path / "uv.lock").write_text("")
    assert len(inexact_requirements(folder, tmp_path)) == 1


def test_files_that_a_file_names_are_read_once_and_only_in_the_repository(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "loans", tmp_path / "elsewhere.txt"
    (root / "deps").mkdir(parents=True)
    elsewhere.write_text("secret>=1\n")
    (root / "deps" / "linked.txt").symlink_to(elsewhere)
    (root / "requirements.txt").write_text(
        "-r deps/base.txt\n--requirement=deps/more.txt  # more\n-rdeps/base.txt\n"
        "-r ../elsewhere.txt\n-r deps/linked.txt\n-r deps/none.txt\n-c deps/pins.txt\n"
    )
    (root / "deps" / "base.txt").write_text("numpy\n-r ../requirements.txt\n-r more.txt\n")
    (root / "deps" / "more.txt").write_text("pandas>=2\na==1\n")
    (root / "deps" / "pins.txt").write_text("b>=1\n")
    assert inexact_requirements(root, root) == (
        "deps/base.txt: 'numpy' names no version.",
        "deps/more.txt: 'pandas>=2' allows more than one version.",
        "requirements.txt: '-r ../elsewhere.txt' names a file that is not in the repository.",
        "requirements.txt: '-r deps/linked.txt' names a file that is not in the repository.",
        "requirements.txt: '-r deps/none.txt' names a file that is not in the repository.",
    )


def test_extras_and_groups_of_a_project_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\ndependencies = ['a==1']\n"
        "[project.optional-dependencies]\ngpu = ['torch', 'b==2']\n"
        "[dependency-groups]\ntrain = ['lightgbm>=4', {include-group = 'base'}]\n"
        "base = ['c==3', 7]\n"
    )
    assert inexact_requirements(tmp_path, None) == (
        "pyproject.toml: 'torch' names no version.",
        "pyproject.toml: 'lightgbm>=4' allows more than one version.",
        "pyproject.toml: '7' is no requirement.",
    )


@pytest.mark.parametrize(
    "text", ["project = 7", "dependency-groups = []", "[project]\noptional-dependencies = 'x'"]
)
def test_project_file_of_another_shape_names_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert inexact_requirements(tmp_path, None) == ()


def test_broken_project_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    assert inexact_requirements(tmp_path, None) == ("pyproject.toml: 'pyproject.toml' is no TOML.",)


def said(*distributions: dict[str, Any]) -> dict[str, Any]:
    whole = {"version": "1.0", "tree_sha256": "", "origin": None, "roots": []}
    return {
        "python": "3.11.7",
        "implementation": "cpython",
        "platform": "linux",
        "distributions": [{**whole, **one} for one in distributions],
    }


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        (
            {
                "url": "https://u:s3cr3t@example.org/a.git",
                "vcs_info": {"vcs": "git", "commit_id": "1" * 40},
            },
            f"a: installed from https://example.org/a.git at {'1' * 40}.",
        ),
        (
            {"url": "file:///elsewhere", "dir_info": {"editable": True}},
            "a: an editable install of /elsewhere.",
        ),
        (
            {"url": "file:///a-1.0-py3-none-any.whl", "archive_info": {}},
            "a: installed from file:///a-1.0-py3-none-any.whl, not from a package index.",
        ),
    ],
)
def test_what_no_index_has_is_named_and_in_no_lock(
    origin: dict[str, Any], named: str, tmp_path: Path
) -> None:
    seen = describe_environment(
        said({"name": "a", "origin": origin}, {"name": "b"}), folder=tmp_path, root=tmp_path
    )
    assert seen.environment.inexact == (named,)
    assert seen.lock == b"b==1.0\n"


def test_hashes_are_those_of_the_nearest_lock_for_this_very_version(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "a"\nversion = "1.0"\n'
        'sdist = { url = "x", hash = "sha256:11" }\nwheels = [{ url = "y", hash = "sha256:22" }]\n'
        '[[package]]\nname = "b"\nversion = "2.0"\nwheels = [{ url = "y", hash = "sha256:33" }]\n'
    )
    seen = describe_environment(said({"name": "a"}, {"name": "b"}), folder=folder, root=tmp_path)
    assert seen.lock == b"a==1.0 --hash=sha256:22 --hash=sha256:11\nb==1.0\n"
    assert seen.faults == (Fault("Installed, but not in uv.lock: b 1.0.", "environment"),)
    assert len(seen.environment.uv_lock_sha256) == 64
    # One above the repository is somebody else's.
    assert describe_environment(said({"name": "a"}), folder=folder, root=folder).uv_lock == b""
