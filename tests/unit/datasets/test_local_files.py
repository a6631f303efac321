"""Files and folders on the server's disk: fetched with the right digest, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from muniment.attest.digest import Digest, dir_hash, sha256_file
from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetMissing,
    DatasetReference,
    DatasetRefused,
    digest_dataset,
    fetch_dataset,
)
from muniment.datasets.sources import CHUNK_BYTES


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    (folder / "loans" / "2026").mkdir(parents=True)
    (folder / "loan app.csv").write_bytes(os.urandom(2 * CHUNK_BYTES + 7))
    (folder / "loans" / "a.csv").write_bytes(b"a")
    (folder / "loans" / "2026" / "b.csv").write_bytes(b"b")
    (folder / "loans" / "2026" / "c.csv").write_bytes(b"c")
    return folder


@pytest.fixture
def access(place: Path) -> Access:
    return Access((AllowedPlace(str(place)),))


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "destination"


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def reference(path: Path | str, digest: Digest | None = None, **fields: str) -> DatasetReference:
    path = Path(path)
    return DatasetReference(
        role="training",
        name="loans",
        kind="folder" if path.is_dir() else "file",
        uri=fields.get("uri", path.as_uri()),
        digest=digest or (dir_hash(path) if path.is_dir() else sha256_file(path)),
        size_bytes=0,
        place=fields.get("place", ""),
    )


@pytest.mark.parametrize("name", ["loan app.csv", "loans"])
def test_a_file_or_folder_is_fetched_and_is_what_was_recorded(
    place: Path, access: Access, destination: Path, name: str
) -> None:
    wanted = reference(place / name)
    fetched = fetch_dataset(wanted, destination, access, checkout=None)
    assert fetched == destination / name
    assert reference(fetched).digest == digest_dataset(wanted, access) == wanted.digest


def test_the_place_itself_may_be_the_data_set(place: Path, destination: Path) -> None:
    for path in (place / "loans", place / "loan app.csv"):
        access = Access((AllowedPlace(str(path)),))
        fetched = fetch_dataset(reference(path), destination, access, checkout=None)
        assert reference(fetched).digest == reference(path).digest


@pytest.mark.parametrize("name", ["loan app.csv", "loans"])
def test_one_changed_byte_is_found_and_nothing_is_left_behind(
    place: Path, access: Access, destination: Path, name: str
) -> None:
    wanted = reference(place / name)
    changed = place / name if name != "loans" else place / "loans" / "2026" / "c.csv"
    content = bytearray(changed.read_bytes())
    content[0] ^= 1
    changed.write_bytes(content)
    with pytest.raises(DatasetChanged, match="its bytes were changed since") as found:
        fetch_dataset(wanted, destination, access, checkout=None)
    assert found.value.code == "dataset.changed"
    assert str(wanted.digest) in found.value.message
    assert left_in(destination) == []
    assert digest_dataset(wanted, access) != wanted.digest


def test_a_file_more_or_less_is_found(place: Path, access: Access, destination: Path) -> None:
    wanted = reference(place / "loans")
    for change in (
        (place / "loans" / "d.csv").touch,
        (place / "loans" / "d.csv").unlink,
        (place / "loans" / "a.csv").unlink,
    ):
        assert digest_dataset(wanted, access) == wanted.digest or "d.csv" in repr(change)
        change()
    with pytest.raises(DatasetChanged):
        fetch_dataset(wanted, destination, access, checkout=None)


def _symlinked_file(place: Path, outside: Path) -> Path:
    (place / "link.csv").symlink_to(outside / "secret")
    return place / "link.csv"


def _symlinked_folder(place: Path, outside: Path) -> Path:
    (place / "link").symlink_to(outside)
    return place / "link" / "secret"


def _symlink_in_the_folder(place: Path, outside: Path) -> Path:
    (place / "loans" / "link.csv").symlink_to(outside / "secret")
    return place / "loans"


def _symlink_inside(place: Path, outside: Path) -> Path:
    (place / "link").symlink_to(place / "loans")
    return place / "link"


def _pipe(place: Path, outside: Path) -> Path:
    os.mkfifo(place / "pipe")
    return place / "pipe"


def _pipe_in_the_folder(place: Path, outside: Path) -> Path:
    os.mkfifo(place / "loans" / "pipe")
    return place / "loans"


def _hostile_name(place: Path, outside: Path) -> Path:
    (place / "loans" / "new\nline").touch()
    return place / "loans"


@pytest.mark.parametrize(
    "trap",
    [
        _symlinked_file,
        _symlinked_folder,
        _symlink_in_the_folder,
        _symlink_inside,
        _pipe,
        _pipe_in_the_folder,
        _hostile_name,
    ],
)
def test_nothing_but_plain_files_of_the_place_is_opened(
    place: Path,
    access: Access,
    destination: Path,
    tmp_path: Path,
    trap: Callable[[Path, Path], Path],
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    wanted = reference(trap(place, outside), Digest.of_bytes(b"secret"))
    for attempt in (
        lambda: fetch_dataset(wanted, destination, access, checkout=None),
        lambda: digest_dataset(wanted, access),
    ):
        with pytest.raises(DatasetRefused) as refused:
            attempt()
        assert refused.value.code == "dataset.not_a_file"
    assert left_in(destination) == []


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "file://{place}/../outside/secret",
        "file://{place}/%2e%2e/outside/secret",
        "file://{place}/..%2foutside/secret",
        "file://{place}-other/x",
        "{place}",
        "local://{place}/loans",
        "memory://loans",
    ],
)
def test_a_path_elsewhere_is_refused(tmp_path: Path, destination: Path, uri: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    access = Access((AllowedPlace(str(place / "loans")),))
    wanted = reference("/x", Digest.of_bytes(b""), uri=uri.format(place=place))
    with pytest.raises(DatasetRefused):
        digest_dataset(wanted, access)
    with pytest.raises(DatasetRefused):
        fetch_dataset(wanted, destination, Access(), checkout=None)


def test_what_is_not_there_is_missing(place: Path, access: Access, destination: Path) -> None:
    for uri in (place / "none", place / "none" / "a", place / "loan app.csv" / "x"):
        wanted = reference(uri, Digest.of_bytes(b""))
        with pytest.raises(DatasetMissing):
            fetch_dataset(wanted, destination, access, checkout=None)
    for gone in (replace(wanted, uri=""), replace(wanted, kind="table")):
        with pytest.raises(DatasetMissing):
            digest_dataset(gone, access)


@pytest.mark.parametrize("name", ["loan app.csv", "loans"])
def test_a_data_set_that_is_too_large_is_not_read_further(
    place: Path, destination: Path, name: str
) -> None:
    small = Access((AllowedPlace(str(place)),), max_bytes=2)
    with pytest.raises(DatasetRefused, match="more than the 2 bytes") as refused:
        fetch_dataset(reference(place / name), destination, small, checkout=None)
    assert refused.value.code == "dataset.too_large"
    assert left_in(destination) == []


@pytest.mark.parametrize("hostile", ["..", ".", "/", "/etc/passwd", "../../x", "a/.."])
def test_what_a_run_calls_its_file_does_not_lead_out(
    place: Path, access: Access, destination: Path, hostile: str
) -> None:
    wanted = reference(place / "loan app.csv", place=hostile)
    fetched = fetch_dataset(wanted, destination, access, checkout=None)
    assert fetched.parent == destination
    assert left_in(destination) == [fetched]


def test_nothing_that_is_there_already_is_overwritten(
    place: Path, access: Access, destination: Path
) -> None:
    kept = destination / "loan app.csv"
    destination.mkdir()
    kept.write_bytes(b"mine")
    with pytest.raises(DatasetRefused, match="is there already"):
        fetch_dataset(reference(place / "loan app.csv"), destination, access, checkout=None)
    assert kept.read_bytes() == b"mine"
