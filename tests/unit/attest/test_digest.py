"""Digests, checked against the shell pipeline that an auditor runs."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.digest import (
    Digest,
    canonical_json,
    dir_hash,
    dir_hash_of,
    sha256_file,
)
from muniment.attest.errors import DigestError

PIPELINE = (
    "set -o pipefail; find . -type f -print0 | cut -z -c3- | LC_ALL=C sort -z "
    "| xargs -r0 sha256sum | sha256sum"
)
NAMES = [
    "MLmodel",
    "a",
    "a.b",
    "a-b",
    "a/b",
    "a b/c d",
    "A",
    "Z",
    "ä",
    "日本/模型.bin",
    ".hidden",
    "a folder/-dash",
    "quote'\"",
    "*",
    "tab\there",
    "deep/er/and/deeper",
    "trailing ",
]


def piped(folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", PIPELINE], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[0]


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name.replace("a/b", "a_folder/b") if name == "a/b" else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 3)


def test_dir_hash_is_what_the_pipeline_prints(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "empty").touch()
    assert dir_hash(tmp_path) == Digest("dirHash", piped(tmp_path))


def test_dir_hash_of_an_empty_folder_is_what_the_pipeline_prints(tmp_path: Path) -> None:
    assert dir_hash(tmp_path).hex == piped(tmp_path) == hashlib.sha256(b"").hexdigest()


def test_names_are_sorted_as_bytes(tmp_path: Path) -> None:
    """A folder sorts by its slash, and capitals before small letters, as LC_ALL=C does."""
    fill(tmp_path, ["a/x", "a.x", "a0", "B", "é", "z"])
    assert dir_hash(tmp_path).hex == piped(tmp_path)


def test_a_name_that_is_not_utf8_is_hashed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    assert dir_hash(tmp_path).hex == piped(tmp_path)


def test_known_files_give_the_same_digest_as_the_folder(tmp_path: Path) -> None:
    fill(tmp_path, ["one", "two/three"])
    known = {name: sha256_file(tmp_path / name).hex for name in ("two/three", "one")}
    assert dir_hash_of(known) == dir_hash(tmp_path)


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    fill(tmp_path, ["one", "two/three"])
    before = dir_hash(tmp_path)
    (tmp_path / "two" / "three").write_bytes(b"changed")
    assert dir_hash(tmp_path) != before


@pytest.mark.parametrize("name", ["new\nline", "back\\slash", "carriage\rreturn", "-dash"])
def test_a_name_that_sha256sum_misreads_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DigestError) as caught:
        dir_hash(tmp_path)
    assert caught.value.code == "digest.name"
    assert repr(name) in caught.value.message
    with pytest.raises(DigestError):
        dir_hash_of({name: "00" * 32})


def test_a_symlink_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for refuse in (lambda: dir_hash(tmp_path), lambda: sha256_file(tmp_path / "link")):
        with pytest.raises(DigestError, match=r"symlink refused.*link"):
            refuse()


def test_a_symlink_to_a_folder_inside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(DigestError, match=r"symlink refused.*loop"):
        dir_hash(tmp_path)


def test_special_files_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DigestError, match=r"special file refused.*pipe"):
        dir_hash(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        with pytest.raises(DigestError, match=r"special file refused.*sock"):
            dir_hash(tmp_path)


def test_a_missing_path_and_a_wrong_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DigestError, match="not a folder"):
        dir_hash(tmp_path / "file")
    with pytest.raises(DigestError, match="cannot read"):
        dir_hash(tmp_path / "absent")
    with pytest.raises(DigestError, match="a folder, not a file"):
        sha256_file(tmp_path)
    with pytest.raises(DigestError, match="cannot read"):
        sha256_file(tmp_path / "absent")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "./a", "a/.", "nul\0"])
def test_a_name_that_no_folder_has_is_refused(name: str) -> None:
    with pytest.raises(DigestError):
        dir_hash_of({name: "00" * 32})


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == Digest.of_bytes(content)
    assert Digest.of_bytes(b"").hex == hashlib.sha256(b"").hexdigest()


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["sha256", "dirHash", "gitCommit"]))
def test_a_digest_is_read_back_from_its_text_and_its_set(value: bytes, algorithm: str) -> None:
    digest = Digest(algorithm, value.hex())
    assert Digest.parse(str(digest)) == digest
    assert Digest.from_set(digest.as_set()) == digest


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:" + "0" * 63,
     "sha256:" + "0" * 65, "gitCommit:" + "0" * 39, "sha256: " + "0" * 63, "sha256:" + "٠" * 64],
)  # fmt: skip
def test_a_malformed_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestError):
        Digest.parse(text)


@pytest.mark.parametrize(
    "digest_set",
    [None, [], {}, {"md5": "0"}, {"sha256": 1}, {"sha256": "0" * 64, "dirHash": "0" * 64}],
)
def test_a_malformed_digest_set_is_refused(digest_set: object) -> None:
    with pytest.raises(DigestError):
        Digest.from_set(digest_set)


def test_an_unknown_algorithm_beside_a_known_one_is_ignored() -> None:
    assert Digest.from_set({"sha256": "0" * 64, "blake9": "?"}) == Digest("sha256", "0" * 64)


def test_canonical_json_is_one_spelling() -> None:
    value = {"b": [1, 1.0, -0.5, None, True], "a": {"é": "\u2028", "A": "\x00"}}
    assert canonical_json(value) == (
        b'{"a":{"A":"\\u0000","\xc3\xa9":"\xe2\x80\xa8"},"b":[1,1.0,-0.5,null,true]}'
    )


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], {"a": {"b": -float("inf")}}, {1: "a"}, {None: 1}, {"a": {2: 3}},
     b"bytes", {"a": {1, 2}}, "\ud800", object()],
)  # fmt: skip
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(DigestError) as caught:
        canonical_json(value)
    assert caught.value.code == "digest.json"
