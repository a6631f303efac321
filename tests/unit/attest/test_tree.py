"""Hashing a folder with several threads, and while somebody else is at work in it."""

from __future__ import annotations

import hashlib
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.attest import tree
from muniment.attest.digest import dir_hash, sha256_file
from muniment.attest.errors import DigestError
from muniment.attest.files import opened_beneath
from muniment.attest.tree import hash_tree


def fill(folder: Path, files: int, size: int) -> None:
    for number in range(files):
        path = folder / f"{number % 7}" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(size + number))


def after_the_walk(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Do something between the walk of the folder and the reading of its files."""
    work = tree._Walk.work

    def changed(walk: tree._Walk) -> object:
        change()
        return work(walk)

    monkeypatch.setattr(tree._Walk, "work", changed)


def after_the_first_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Do something while a file is being read, once."""
    readv, pending = os.readv, [change]

    def changed(*arguments: object) -> int:
        count = readv(*arguments)  # type: ignore[arg-type]
        if pending:
            pending.pop()()
        return count

    monkeypatch.setattr(os, "readv", changed)


def test_every_file_is_hashed_whatever_its_size(tmp_path: Path) -> None:
    fill(tmp_path, 1_000, 10)
    fill(tmp_path / "0", 5, 6_000_000)
    hashed = hash_tree(tmp_path, with_md5=True)
    assert len(hashed) == 1_005
    for name, found in hashed.items():
        content = (tmp_path / name).read_bytes()
        assert found == tree.HashedFile(
            hashlib.sha256(content).hexdigest(), len(content), hashlib.md5(content).hexdigest()
        )


def test_memory_stays_flat_and_no_thread_or_descriptor_stays(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(200_000_000)
    fill(tmp_path, 50, 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    tracemalloc.start()
    dir_hash(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < tree.MAX_THREADS * tree.BUFFER_BYTES + 1_000_000
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not [one for one in threading.enumerate() if one.name == "muniment-hash"]


def test_a_file_swapped_for_a_symlink_after_the_walk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file").write_bytes(b"x")

    def swap() -> None:
        (root / "folder" / "file").unlink()
        (root / "folder" / "file").symlink_to(outside)

    after_the_walk(monkeypatch, swap)
    with pytest.raises(DigestError, match=r"symlink refused.*file"):
        dir_hash(root)


def test_a_folder_swapped_for_a_symlink_after_the_walk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file").write_bytes(b"x")

    def swap() -> None:
        (root / "folder").rename(tmp_path / "away")
        (root / "folder").symlink_to(outside)

    after_the_walk(monkeypatch, swap)
    with pytest.raises(DigestError, match=r"symlink refused.*folder"):
        dir_hash(root)


def test_a_file_swapped_for_a_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")

    def swap() -> None:
        (tmp_path / "file").unlink()
        os.mkfifo(tmp_path / "file")

    after_the_walk(monkeypatch, swap)
    with pytest.raises(DigestError, match=r"special file refused.*file"):
        dir_hash(tmp_path)


@pytest.mark.parametrize("change", ["longer", "shorter", "rewritten"])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2 * tree.BUFFER_BYTES)

    def write() -> None:
        if change == "shorter":
            os.truncate(path, 10)
        else:
            with path.open("r+b") as stream:
                stream.seek(0, os.SEEK_END if change == "longer" else os.SEEK_SET)
                stream.write(b"more")
            os.utime(path, ns=(1, 1))

    after_the_first_read(monkeypatch, write)
    with pytest.raises(DigestError, match="'file' changed while it was read") as caught:
        dir_hash(tmp_path)
    assert caught.value.code == "digest.changed"
    after_the_first_read(monkeypatch, lambda: os.utime(path, ns=(2, 2)))
    with pytest.raises(DigestError, match="changed while it was read"):
        sha256_file(path)


def test_a_file_that_vanishes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    after_the_walk(monkeypatch, (tmp_path / "file").unlink)
    with pytest.raises(DigestError, match=r"cannot read 'file'"):
        dir_hash(tmp_path)


def test_a_file_that_appears_meanwhile_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x")
    os.utime(tmp_path / "folder", ns=(1, 1))  # clocks of file systems are coarse
    after_the_walk(monkeypatch, (tmp_path / "folder" / "another").touch)
    with pytest.raises(DigestError, match="the folder 'folder' changed while it was read"):
        dir_hash(tmp_path)


@pytest.mark.parametrize(
    "name", ["link/file", "folder/link", "../outside", "folder/../x", "/etc/passwd"]
)
def test_nothing_outside_is_opened_beneath_a_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "folder" / "link").symlink_to(tmp_path / "outside" / "file")
    descriptor = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(DigestError), opened_beneath(descriptor, name):
            pytest.fail("it was opened")
    finally:
        os.close(descriptor)
