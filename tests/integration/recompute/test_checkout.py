"""The code at its commit, out of repositories that do what they can to have something run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lineage.recompute import checkout
from lineage.recompute.checkout import check_out
from lineage.recompute.errors import RecomputeError


class Repository:
    """A repository that somebody pushed to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main", str(path), place=path.parent)

    def git(self, *arguments: str, place: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(place or self.path), "-c", "protocol.file.allow=always", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                **{
                    f"GIT_{who}_{what}": "someone@example.org"
                    for who in ("AUTHOR", "COMMITTER")
                    for what in ("NAME", "EMAIL")
                },
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str]) -> str:
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "remote").mkdir()
    return Repository(tmp_path / "remote" / "loans")


def fetch(repository: Repository, commit: str, into: str = "code") -> Path:
    destination = repository.path.parent.parent / into
    check_out(
        str(repository.path), commit, destination, allowed=[str(repository.path.parent) + "/"]
    )
    return destination


def test_the_tree_of_an_older_commit_is_written(repository: Repository) -> None:
    first = repository.commit({"train.py": "one", "lib/a.py": "a"})
    repository.commit({"train.py": "two"})
    code = fetch(repository, first)
    assert (code / "train.py").read_text() == "one"
    assert (code / "lib/a.py").read_text() == "a"
    assert repository.git("rev-parse", "HEAD", place=code) == first
    assert repository.git("status", "--porcelain", place=code) == ""
    assert str(repository.path) not in (code / ".git/config").read_text()


def test_a_commit_that_no_branch_reaches_is_named_as_missing(repository: Repository) -> None:
    repository.commit({"train.py": "one"})
    with pytest.raises(RecomputeError, match="never pushed, or was removed") as caught:
        fetch(repository, "1" * 40)
    assert (caught.value.code, caught.value.leg) == ("code.commit_missing", "code")


@pytest.mark.parametrize("commit", ["main", "HEAD", "abc123", "-x", "1" * 39 + "G", ""])
def test_what_is_no_whole_commit_is_refused(commit: str, repository: Repository) -> None:
    repository.commit({"train.py": "one"})
    with pytest.raises(RecomputeError) as caught:
        fetch(repository, commit)
    assert caught.value.code == "code.commit_missing"


def test_a_digest_of_something_else_than_a_commit_is_refused(repository: Repository) -> None:
    repository.commit({"train.py": "one"})
    repository.git("tag", "--annotate", "--message", "x", "v1")
    for what in ("HEAD:train.py", "HEAD^{tree}", "v1"):
        with pytest.raises(RecomputeError) as caught:
            fetch(repository, repository.git("rev-parse", what), into=what)
        assert caught.value.code == "code.commit_missing"


def test_a_remote_that_nobody_allowed_is_not_asked(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"train.py": "one"})
    with pytest.raises(RecomputeError) as caught:
        check_out(str(repository.path), commit, tmp_path / "code", allowed=["/srv/git"])
    assert caught.value.code == "code.remote_refused"
    assert not (tmp_path / "code").exists()


def test_a_remote_that_does_not_answer_is_named(repository: Repository) -> None:
    repository.path.rename(repository.path.with_name("moved"))
    with pytest.raises(RecomputeError, match="cannot be fetched") as caught:
        fetch(repository, "1" * 40)
    assert caught.value.code == "code.unreachable"


def test_nothing_that_the_repository_or_the_user_configures_is_run(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = f"touch {tmp_path}/trapped; cat"
    # Of whoever runs the worker: a filter that the tree's attributes would ask for, and a hook.
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    (home / "hooks/post-checkout").write_text(f"#!/bin/sh\n{trap}\n")
    (home / "hooks/post-checkout").chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[filter "trap"]\n\tsmudge = {trap}\n'
        f"[core]\n\thooksPath = {home}/hooks\n\tfsmonitor = {trap}\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_SSH_COMMAND", trap)
    commit = repository.commit({".gitattributes": "*.py filter=trap\n", "train.py": "one"})
    # And of the remote: hooks, and what it runs to pack.
    repository.git("config", "uploadpack.packObjectsHook", trap)
    repository.git("config", "filter.trap.smudge", trap)
    for hook in ("post-checkout", "pre-receive", "reference-transaction"):
        path = repository.path / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{trap}\n")
        path.chmod(0o755)
    assert (fetch(repository, commit) / "train.py").read_text() == "one"
    assert not (tmp_path / "trapped").exists()
    # The same trap springs for git as people use it.
    subprocess.run(
        ["git", "clone", "--quiet", str(repository.path), str(tmp_path / "careless")],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "trapped").exists()


def test_submodules_are_refused_by_name(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"x": "x"})
    repository.git("submodule", "--quiet", "add", str(other.path), "vendored")
    commit = repository.commit({"train.py": "one"})
    with pytest.raises(RecomputeError, match="vendored") as caught:
        fetch(repository, commit)
    assert caught.value.code == "code.submodules"


def test_links_in_the_tree_stay_links(repository: Repository) -> None:
    (repository.path / "shadow").symlink_to("/etc/shadow")
    code = fetch(repository, repository.commit({"train.py": "one"}))
    assert (code / "shadow").is_symlink()


def test_a_tree_that_is_too_large_is_not_written(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"big": "x" * 100_000})
    monkeypatch.setattr(checkout, "MAX_TREE_BYTES", 50_000)
    with pytest.raises(RecomputeError, match="too many") as caught:
        fetch(repository, commit)
    assert caught.value.code == "code.too_large"
    assert not (repository.path.parent.parent / "code/big").exists()


def test_a_tree_that_is_too_deep_is_not_written(repository: Repository) -> None:
    commit = repository.commit({"/".join("d" * 60): "x"})
    with pytest.raises(RecomputeError, match="too deep") as caught:
        fetch(repository, commit)
    assert caught.value.code == "code.too_large"


def test_objects_that_were_tampered_with_are_refused(repository: Repository) -> None:
    # A folder of the tree is called .git: git would write over its own repository.
    (repository.path / "x").write_text("x")
    blob = repository.git("hash-object", "-w", "x")
    inner = _make_tree(repository, f"100644 blob {blob}\tconfig\n")
    tree = _make_tree(repository, f"040000 tree {inner}\t.git\n")
    commit = repository.git("commit-tree", tree, "-m", "x")
    repository.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(RecomputeError) as caught:
        fetch(repository, commit)
    assert caught.value.leg == "code"
    assert not (repository.path.parent.parent / "code/x").exists()


def _make_tree(repository: Repository, listing: str) -> str:
    return subprocess.run(
        ["git", "-C", str(repository.path), "mktree"],
        input=listing,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
