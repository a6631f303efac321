"""Naming what a training reads: pinned where something pins it, else weak with the reason."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from muniment.attest.digest import dir_hash, sha256_file
from muniment.datasets import (
    Access,
    DatasetChanged,
    DatasetMissing,
    DatasetReference,
    DatasetRefused,
    digest_dataset,
    fetch_dataset,
    refer,
)
from muniment.datasets.location import without_credentials
from muniment.datasets.reference import IN_MEMORY, IN_STORE, ON_DISK
from muniment.datasets.tables import table_digest


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@bank.example", "-c", "core.autocrlf=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "loans.csv").write_bytes(b"loan,state\r\n1,MA\r\n")
    (folder / "data" / "a.csv").write_text("a")
    (folder / "data" / "deep" / "b ü.csv").write_text("b")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Loans")
    return folder


def test_a_path_on_a_disk_is_weak_and_has_a_digest(tmp_path: Path) -> None:
    (tmp_path / "loans").mkdir()
    (tmp_path / "loans" / "a.csv").write_text("abc")
    folder = refer(tmp_path / "loans", role="validation", name="Loans of 2026")
    assert folder == DatasetReference(
        role="validation",
        name="Loans of 2026",
        kind="folder",
        uri=(tmp_path / "loans").as_uri(),
        digest=dir_hash(tmp_path / "loans"),
        size_bytes=3,
        weak_reason=ON_DISK,
        place=str(tmp_path / "loans"),
    )
    file = refer((tmp_path / "loans" / "a.csv").as_uri())
    assert (file.kind, file.name, file.weak_reason) == ("file", "a.csv", ON_DISK)
    assert file.digest == sha256_file(tmp_path / "loans" / "a.csv")
    assert DatasetReference.from_mapping(file.as_mapping()) == file


def test_a_relative_path_is_of_the_working_folder(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "data")
    assert refer("a.csv").place == "data/a.csv"
    assert refer("../loans.csv").place == "loans.csv"


def test_a_whole_repository_is_a_folder_like_any_other(repository: Path) -> None:
    reference = refer(repository)
    assert (reference.kind, reference.place) == ("folder", str(repository))
    assert reference.weak_reason == ON_DISK


def test_a_symlink_is_named_as_the_program_opens_it_and_found_where_it_lies(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.csv").write_text("x")
    (repository / "current.csv").symlink_to(tmp_path / "elsewhere.csv")
    reference = refer(repository / "current.csv")
    assert reference.place == "current.csv"
    assert reference.uri == (tmp_path / "elsewhere.csv").as_uri()
    assert not reference.is_pinned


@pytest.mark.parametrize("path", ["loans.csv", "data", "data/deep", "data/deep/b ü.csv"])
def test_what_git_holds_at_the_commit_is_pinned_and_read_from_the_checkout(
    repository: Path, tmp_path: Path, path: str
) -> None:
    reference = refer(repository / path)
    assert (reference.is_pinned, reference.place) == (True, path)
    git(tmp_path, "clone", "-q", str(repository), "checkout")
    checkout = tmp_path / "checkout"
    (tmp_path / "to").mkdir()
    fetched = fetch_dataset(reference, tmp_path / "to", Access(), checkout=checkout)
    assert fetched.name == Path(path).name
    assert digest_dataset(reference, Access(), checkout=checkout) == reference.digest
    with pytest.raises(DatasetRefused):  # without a checkout it is a path like any other
        digest_dataset(reference, Access())
    for file in checkout.rglob("*.csv"):
        file.write_text("changed")
    with pytest.raises(DatasetChanged):
        fetch_dataset(reference, tmp_path, Access(), checkout=checkout)


@pytest.mark.parametrize("change", ["edited", "staged", "new", "removed", "filtered", "symlink"])
def test_what_differs_from_the_commit_is_weak(repository: Path, change: str) -> None:
    data = repository / "data"
    if change in ("edited", "staged"):
        (data / "a.csv").write_text("other")
        if change == "staged":
            git(repository, "add", ".")
    elif change == "new":
        (data / "c.csv").write_text("c")
    elif change == "removed":
        (data / "a.csv").unlink()
    elif change == "filtered":
        # git calls it unchanged, and a checkout would write other bytes.
        (repository / ".gitattributes").write_text("*.csv text eol=crlf\n")
        (data / "a.csv").write_bytes(b"a\r\n")
        git(repository, "add", ".")
        git(repository, "commit", "-q", "-m", "Line endings")
    else:
        (repository / "link").symlink_to("data")
        git(repository, "add", ".")
        git(repository, "commit", "-q", "-m", "Link")
        (data / "link.csv").symlink_to("a.csv")
        with pytest.raises(DatasetRefused, match="symlink refused"):
            refer(data)
        return
    reference = refer(data)
    assert reference.weak_reason == ON_DISK
    assert reference.digest == dir_hash(data)


def test_a_checkout_that_leads_out_by_a_symlink_is_refused(
    repository: Path, tmp_path: Path
) -> None:
    reference = refer(repository / "loans.csv")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "loans.csv").symlink_to("/etc/passwd")
    with pytest.raises(DatasetRefused, match="symlink refused"):
        digest_dataset(reference, Access(), checkout=checkout)


def test_a_table_in_memory_has_a_digest_and_lies_nowhere(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    reference = refer(frame, name="frame")
    assert (reference.kind, reference.uri, reference.place) == ("table", "", "")
    assert (reference.digest, reference.weak_reason) == (table_digest(frame)[0], IN_MEMORY)
    with pytest.raises(DatasetMissing, match="in memory") as missing:
        fetch_dataset(reference, tmp_path, Access(), checkout=None)
    assert missing.value.code == "dataset.in_memory"


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for what in (tmp_path / "pipe", 1, ["a"], "nothing-opens://this"):
        with pytest.raises(DatasetRefused):
            refer(what)
    with pytest.raises(DatasetMissing):
        refer(tmp_path / "none")
    with pytest.raises(DatasetRefused, match="role"):
        refer(tmp_path, role="test")
    with pytest.raises(DatasetRefused, match="no Delta table"):
        refer(pd.DataFrame({"a": [1]}), version=1)


def test_credentials_do_not_go_into_a_reference() -> None:
    shown = without_credentials("https://me:secret@data.example/x?sig=secret#secret")
    assert shown == "https://data.example/x"


def test_other_file_systems_of_fsspec_are_read_and_weak() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/loans/a.csv": b"a", "/loans/deep/b.csv": b"bb", "/loans-of-others/c.csv": b"c"})
    try:
        file, folder = refer("memory://loans/a.csv"), refer("memory://loans")
    finally:
        memory.rm("/", recursive=True)
    assert (file.kind, file.size_bytes, file.is_pinned) == ("object", 1, False)
    assert (folder.digest.algorithm, folder.size_bytes) == ("dirHash", 3)
    with pytest.raises(DatasetRefused):
        digest_dataset(file, Access())


def test_who_leaves_the_reason_out_has_pinned_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    honest = refer(tmp_path / "a.csv")
    for kind, details, reason in (
        ("file", {}, ON_DISK),
        ("folder", {}, ON_DISK),
        ("object", {}, IN_STORE),
        ("delta", {}, "without a version"),
        ("dvc", {}, "neither the MD5"),
        ("dvc", {"path": "a.csv"}, "neither the MD5"),
        ("table", {}, IN_MEMORY),
    ):
        lying = replace(honest, kind=kind, details=details, weak_reason="")
        assert reason in lying.unpinned_reason()
        assert not lying.is_pinned
        promised = lying.unpinned_reason(in_immutable_place=True)
        assert bool(promised) is (reason not in (ON_DISK, IN_STORE))
    changed = replace(honest, weak_reason="Its file was changed while the command ran.")
    assert changed.unpinned_reason(in_immutable_place=True)
