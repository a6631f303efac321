"""Where no sandbox can be built nothing is run, and the message says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest

from lineage.recompute.containers import container_command
from lineage.recompute.errors import SandboxUnavailable
from lineage.recompute.launch import Job
from lineage.recompute.limits import GIB, MIB, Limits
from lineage.recompute.mounts import Mount
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.users import free_user


@pytest.mark.parametrize("kind", ["bubblewrap", "docker", "podman"])
def test_a_sandbox_that_is_not_installed_says_what_to_install(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(SandboxUnavailable, match=f"install the system package {kind}"):
        Sandbox.find(kind, image="debian")


def test_a_kind_that_does_not_exist_is_no_sandbox() -> None:
    with pytest.raises(SandboxUnavailable, match="set bubblewrap, docker or podman"):
        Sandbox.find("none")


def test_a_container_needs_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_on_path(tmp_path, "docker", "exit 0", monkeypatch)
    with pytest.raises(SandboxUnavailable, match="No image is set"):
        Sandbox.find("docker")


@pytest.mark.parametrize(
    ("kind", "program", "script"),
    [
        ("bubblewrap", "bwrap", "echo 'bwrap: No permissions to create new namespace'; exit 1"),
        ("docker", "docker", "echo 'No permissions to create new namespace'; exit 125"),
        # It says that all stands, but after something of its own.
        ("podman", "podman", "printf 'No permissions to create new namespace\\006'"),
    ],
)
def test_a_sandbox_that_cannot_be_built_here_runs_nothing_and_says_why(
    kind: str, program: str, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not below pytest's own folder, which the job's user may not enter.
    with TemporaryDirectory() as folder:
        _put_on_path(Path(folder), program, script, monkeypatch)
        with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace"):
            Sandbox.find(kind, image="debian")


def test_as_root_each_job_needs_a_user_of_its_own() -> None:
    if os.geteuid() != 0:
        assert Sandbox.find("bubblewrap", users=())  # an ordinary worker's jobs run as it does
        return
    with free_user([61_999]), pytest.raises(SandboxUnavailable, match="are taken"):
        Sandbox.find("bubblewrap", users=[61_999])
    assert Sandbox.find("bubblewrap", users=[61_999])


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_jobs_user_enters_its_stage_whatever_the_umask_of_the_worker_that_made_it(
    umask: int,
) -> None:
    if os.geteuid() != 0:
        assert Sandbox.find("bubblewrap", users=())  # an ordinary worker's jobs need no stage
        return
    before = os.umask(umask)
    try:
        with free_user([61_998]) as user:
            mode = user.stage.stat().st_mode & 0o777
            user.stage.rmdir()  # so that the next worker makes it again
    finally:
        os.umask(before)
    assert mode == 0o711


def test_a_container_is_closed_like_the_sandbox_of_bubblewrap(tmp_path: Path) -> None:
    job = Job(
        arguments=["python", "train.py"],
        work=tmp_path,
        folder=PurePosixPath("/job/code"),
        mounts=[Mount(Path("/srv/env"), PurePosixPath("/srv/env"))],
        environment={"TZ": "UTC"},
        limits=Limits(memory_bytes=GIB, scratch_bytes=64 * MIB, processes=99),
    )
    command = container_command("/usr/bin/podman", "debian@sha256:1", job, name="n", uid=61_000)
    before, _, guarded = " ".join(command).partition(" debian@sha256:1 ")
    options = before.split()
    assert options[:2] == ["/usr/bin/podman", "run"]
    assert {
        *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--user=61000:61000", "--pids-limit=99", f"--memory={GIB}", f"--memory-swap={GIB}"),
        *("--tmpfs=/tmp:size=64m,mode=1777", f"--shm-size={64 * MIB}", "--pull=never", "--rm"),
        f"--mount=type=bind,source={tmp_path},target=/job",
        "--mount=type=bind,source=/srv/env,target=/srv/env,readonly",
        *("--workdir=/job/code", "--env=TZ=UTC"),
    } <= set(options)
    assert not any("privileged" in one and "no-new" not in one for one in options)
    assert guarded.startswith("/bin/sh -c ")
    assert guarded.endswith("-- python train.py")


def test_a_comma_in_a_path_adds_nothing_to_a_mount(tmp_path: Path) -> None:
    mount = Mount(Path("/srv/x,readonly=false,source=/"), PurePosixPath("/srv/x"))
    job = Job(["true"], tmp_path, PurePosixPath("/job"), [mount], {}, Limits())
    with pytest.raises(SandboxUnavailable, match="comma"):
        container_command("docker", "debian", job, name="n", uid=1)


def test_without_an_answer_from_the_worker_nothing_starts(tmp_path: Path) -> None:
    """A worker that was killed leaves a question that nobody answers."""
    job = Job(["touch", str(tmp_path / "ran")], tmp_path, PurePosixPath("/"), [], {}, Limits())
    for answer, ran in ((b"", False), (b"gone\n", False), (b"go\n", True)):
        done = subprocess.run(job.guarded(), input=answer, capture_output=True, check=False)
        assert done.stdout == b"\x06"
        assert (done.returncode == 0) is ran
        assert (tmp_path / "ran").exists() is ran


def _put_on_path(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    folder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
