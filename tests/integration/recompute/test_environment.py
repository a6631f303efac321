"""Environments built again by the real uv, from a package index on this machine."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage.recompute.environment import (
    Environment,
    PackageIndexUnavailable,
    PackageSource,
    build_environment,
)
from lineage.recompute.errors import RecomputeError
from muniment.installed import tree_sha256_of
from muniment.lineage_file import CapturedEnvironment, LineageFile, Package
from tests.integration.recompute.package_index import PackageIndex

PYTHON = "3.11.0"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path / "index") as served:
        yield served


def _build(
    folder: Path,
    index_url: str,
    lock: str,
    *,
    python: str = PYTHON,
    packages: tuple[Package, ...] = (),
    recorded: str | None = None,
) -> Environment:
    content = lock.encode()
    return build_environment(
        LineageFile(
            captured_at="2026-11-25T10:00:00Z",
            kit="0.1.0",
            mode="run",
            environment=CapturedEnvironment(
                python,
                "cpython",
                "linux-x86_64",
                recorded or hashlib.sha256(content).hexdigest(),
                packages=packages,
            ),
        ),
        content,
        store=folder / "store",
        packages=PackageSource(index_url, folder / "cache"),
    )


def _say(environment: Environment, code: str) -> str:
    return subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_was_locked_is_installed_and_nobody_can_write_into_it(
    tmp_path: Path, index: PackageIndex
) -> None:
    sha256 = index.add("scoring", "1.2.0", {"scoring/__init__.py": "RATE = 7\n"})
    lock = f"scoring==1.2.0 --hash=sha256:{sha256}\n"
    environment = _build(tmp_path, index.url, lock)
    assert not environment.is_cached
    files = [path for path in environment.folder.rglob("*") if not path.is_symlink()]
    modes = {path.stat().st_mode & 0o222 for path in (environment.folder, *files)}
    assert modes == {0}
    compiled = list(environment.folder.rglob("scoring/__pycache__/*.pyc"))
    assert len(compiled) == 1
    assert environment.python_version.startswith("3.11.")
    assert _say(environment, "import scoring; print(scoring.RATE)") == "7"


def test_the_same_lock_is_built_once(tmp_path: Path, index: PackageIndex) -> None:
    index.add("scoring", "1.2.0", {"scoring/__init__.py": ""})
    first = _build(tmp_path, index.url, "scoring==1.2.0\n")
    again = _build(tmp_path, "http://127.0.0.1:9/nowhere", "# as it was\nscoring==1.2.0\n")
    assert (first.is_cached, again.is_cached) == (False, True)
    assert again.folder == first.folder
    assert [path.name for path in (tmp_path / "store").iterdir()] == [first.folder.name]


def test_other_bytes_than_were_locked_are_named(tmp_path: Path, index: PackageIndex) -> None:
    index.add("scoring", "1.2.0", {"scoring/__init__.py": "RATE = 8\n"})
    with pytest.raises(RecomputeError, match=r"scoring 1\.2\.0 cannot be installed") as refused:
        _build(tmp_path, index.url, f"scoring==1.2.0 --hash=sha256:{'0' * 64}\n")
    assert (refused.value.code, refused.value.leg) == ("environment.package", "environment")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_package_that_installs_other_files_than_when_trained_is_named(
    tmp_path: Path, index: PackageIndex
) -> None:
    index.add("scoring", "1.2.0", {"scoring/__init__.py": "RATE = 7\n"})
    first = _build(tmp_path, index.url, "scoring==1.2.0\n")
    [dist_info] = first.folder.glob("lib/python3*/site-packages/*.dist-info")
    recorded = (Package("Scoring", "1.2.0", tree_sha256_of(dist_info)),)
    _build(tmp_path, index.url, "scoring==1.2.0\n", packages=recorded)
    index.add("scoring", "1.2.0", {"scoring/__init__.py": "RATE = 8\n"})
    with pytest.raises(RecomputeError, match="scoring installs other files"):
        _build(tmp_path / "elsewhere", index.url, "scoring==1.2.0\n", packages=recorded)


def test_a_version_that_is_not_there_is_named(tmp_path: Path, index: PackageIndex) -> None:
    index.add("scoring", "1.2.0", {})
    index.add("other", "1.0", {})
    with pytest.raises(RecomputeError, match=r"scoring 1\.3\.0 cannot be installed"):
        _build(tmp_path, index.url, "other==1.0\nscoring==1.3.0\n")


def test_what_has_no_wheel_is_not_built_from_source(tmp_path: Path, index: PackageIndex) -> None:
    index.add_file("scoring", "scoring-1.2.0.tar.gz", b"a source archive")
    with pytest.raises(RecomputeError, match=r"scoring 1\.2\.0 cannot be installed"):
        _build(tmp_path, index.url, "scoring==1.2.0\n")


def test_an_index_that_does_not_answer_says_nothing_about_the_version(tmp_path: Path) -> None:
    with pytest.raises(PackageIndexUnavailable):
        _build(tmp_path, "http://127.0.0.1:9/simple", "scoring==1.2.0\n")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url http://169.254.169.254/simple",
        "-r /etc/passwd",
        "-e .",
        "scoring @ http://169.254.169.254/scoring-1.0-py3-none-any.whl",
        "scoring @ file:///etc/passwd",
        "git+https://git.example.org/scoring.git",
        "./scoring",
        "scoring>=1.0",
        "scoring",
        "scoring==1.*",
        "scoring==1.0 --config-settings=x",
        "scoring==1.0; python_version > '3'",
        "scoring==1.0 --hash=md5:00",
        "--hash=sha256:" + "0" * 64,
    ],
)
def test_nothing_but_exact_pins_reaches_the_installer(
    tmp_path: Path, index: PackageIndex, line: str
) -> None:
    with pytest.raises(RecomputeError, match="is no exact pin") as refused:
        _build(tmp_path, index.url, f"{line}\n")
    assert refused.value.code == "environment.lock_invalid"


def test_a_lock_that_is_not_the_recorded_one_is_refused(
    tmp_path: Path, index: PackageIndex
) -> None:
    with pytest.raises(RecomputeError, match="not the one that was recorded"):
        _build(tmp_path, index.url, "scoring==1.2.0\n", recorded="0" * 64)


def test_a_python_that_is_not_here_is_named(tmp_path: Path, index: PackageIndex) -> None:
    with pytest.raises(RecomputeError, match=r"Python 3\.2\.1, which is not on this machine"):
        _build(tmp_path, index.url, "scoring==1.2.0\n", python="3.2.1")


def test_what_a_package_starts_by_itself_does_not_start_while_it_is_installed(
    tmp_path: Path, index: PackageIndex
) -> None:
    marker = tmp_path / "it-ran"
    start = f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n"
    index.add("hostile", "1.0", {"hostile.pth": start, "sitecustomize.py": start})
    environment = _build(tmp_path, index.url, "hostile==1.0\n")
    assert not marker.exists()
    _say(environment, "pass")  # it would have run
    assert marker.exists()
