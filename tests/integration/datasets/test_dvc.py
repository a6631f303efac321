"""DVC, with the real command: tracked at the commit, fetched from the remote, checked twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetRefused,
    digest_dataset,
    fetch_dataset,
    refer,
)
from muniment.datasets.dvc import resolve_at_commit
from tests.integration.datasets.dvc_repository import make_repository, run
from tests.integration.datasets.references import digest_of, fetched, pointing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dvc")
    make_repository(folder)
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    """A copy of the repository at the same distance from a copy of its remote."""
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made" / "loans"


@pytest.fixture
def store(repository: Path) -> Path:
    return repository.parent / "store"


@pytest.fixture
def access(store: Path) -> Access:
    return Access((AllowedPlace(str(store)),))


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """The repository at the commit, without any data in it."""
    run(tmp_path, "git", "clone", "-q", str(repository), "checkout")
    return tmp_path / "checkout"


TRACKED = [
    "data/loans.csv",
    "data/images",
    "data/images/b ü.png",
    "data/images/deep",
    "prepared/clean.csv",
]


@pytest.mark.parametrize("path", TRACKED)
def test_what_dvc_tracks_is_pinned_and_fetched_from_its_remote(
    repository: Path, access: Access, checkout: Path, store: Path, tmp_path: Path, path: str
) -> None:
    reference = refer(repository / path)
    assert reference.is_pinned, reference.weak_reason
    assert (reference.kind, reference.place) == ("dvc", path)
    assert reference.uri == store.as_uri()
    assert reference.digest == digest_of(repository / path)
    assert not (checkout / path).exists()
    assert digest_of(fetched(reference, tmp_path / "to", access, checkout)) == reference.digest
    # Neither the workspace nor the checkout is needed.
    shutil.rmtree(repository)
    assert digest_of(fetched(reference, tmp_path / "again", access)) == reference.digest


def test_the_workspace_may_have_changed_since(
    repository: Path, access: Access, checkout: Path, tmp_path: Path
) -> None:
    before = digest_of(repository / "data" / "loans.csv")
    reference = refer(repository / "data" / "loans.csv")
    (repository / "data" / "loans.csv").write_text("other")
    changed = refer(repository / "data" / "loans.csv")
    assert (changed.kind, changed.is_pinned) == ("file", False)
    assert "its bytes are not those that data/loans.csv.dvc names" in changed.weak_reason
    run(repository, "dvc", "add", "-q", "data/loans.csv")
    uncommitted = refer(repository / "data" / "loans.csv")
    assert (uncommitted.kind, uncommitted.is_pinned) == ("dvc", False)
    assert "not committed" in uncommitted.weak_reason
    assert digest_of(fetched(reference, tmp_path / "to", access, checkout)) == before
    run(repository, "git", "commit", "-qam", "Other loans")
    with pytest.raises(DatasetChanged, match=r"data/loans\.csv\.dvc names the MD5") as found:
        digest_dataset(reference, access, checkout=repository)
    assert found.value.code == "dataset.pointer"


def test_a_file_that_is_a_symlink_into_the_cache_is_tracked_by_its_own_name(
    repository: Path, access: Access, tmp_path: Path
) -> None:
    run(repository, "dvc", "config", "--local", "cache.type", "symlink")
    run(repository, "dvc", "checkout", "-q", "--relink", "data/loans.csv.dvc")
    path = repository / "data" / "loans.csv"
    assert path.is_symlink()
    reference = refer(path)
    assert (reference.kind, reference.place, reference.is_pinned) == ("dvc", "data/loans.csv", True)
    assert fetched(reference, tmp_path / "to", access).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("change", ["more", "less", "other"])
def test_a_tracked_folder_that_is_not_as_tracked_is_weak(repository: Path, change: str) -> None:
    images = repository / "data" / "images"
    if change == "more":
        (images / "new.png").touch()
    elif change == "less":
        (images / "a.png").unlink()
    else:
        (images / "deep" / "c.png").unlink()
        (images / "deep" / "c.png").write_text("other")
    for path in (images, images / "deep") if change == "other" else (images,):
        reference = refer(path)
        assert (reference.kind, reference.is_pinned) == ("folder", False)
        assert reference.digest == digest_of(path)
    assert refer(images / "b ü.png").is_pinned


def objects(store: Path) -> Iterator[Path]:
    return (path for path in store.rglob("*") if path.is_file())


def test_one_byte_changed_in_the_remote_is_found_by_both_digests(
    repository: Path, access: Access, store: Path, tmp_path: Path
) -> None:
    references = [refer(repository / path) for path in TRACKED]
    for path in objects(store):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"~")
    for reference in references:
        with pytest.raises(DatasetChanged) as found:
            fetch_dataset(reference, tmp_path, access, checkout=None)
        assert found.value.code == "dataset.md5"
    assert not (tmp_path / "images").exists()
    assert not (tmp_path / "loans.csv").exists()


def test_bytes_of_the_right_md5_need_the_recorded_sha256_too(
    repository: Path, access: Access, tmp_path: Path
) -> None:
    reference = refer(repository / "data" / "loans.csv")
    forged = replace(reference, digest=refer(repository / "train.py").digest)
    with pytest.raises(DatasetChanged, match="its bytes were changed since"):
        fetch_dataset(forged, tmp_path, access, checkout=None)


def test_what_was_never_pushed_is_missing(repository: Path, access: Access, store: Path) -> None:
    references = [refer(repository / path) for path in TRACKED]
    shutil.rmtree(store)
    store.mkdir()
    for reference in references:
        with pytest.raises(DatasetMissing, match="dvc push") as missing:
            digest_dataset(reference, access)
        assert missing.value.code == "dataset.not_pushed"


def test_a_repository_without_a_remote_is_weak_and_nothing_is_fetched(
    repository: Path, access: Access
) -> None:
    (repository / ".dvc" / "config").write_text("[core]\n    autostage = true\n")
    reference = refer(repository / "data" / "loans.csv")
    assert "no DVC remote" in reference.weak_reason
    with pytest.raises(DatasetMissing, match="no DVC remote"):
        digest_dataset(reference, access)


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("s3://loans/dvc/", "s3://loans/dvc"),
        ("azure://loans/dvc", "az://loans/dvc"),
        ("https://data.bank.example/dvc", "https://data.bank.example/dvc"),
        ("/srv/dvc", "file:///srv/dvc"),
        ("ssh://me@host/dvc", ""),
        ("https://me:secret@data.bank.example/dvc", ""),
    ],
)
def test_remotes_of_other_kinds(repository: Path, url: str, uri: str) -> None:
    (repository / ".dvc" / "config.local").write_text(f"['remote \"store\"']\n    url = {url}\n")
    tracked = resolve_at_commit(repository, "data/loans.csv")
    assert tracked is not None
    assert tracked.url == uri


def test_a_remote_elsewhere_is_refused(repository: Path, tmp_path: Path) -> None:
    reference = refer(repository / "data" / "loans.csv")
    for access in (Access(), Access((AllowedPlace(str(tmp_path / "other")),))):
        with pytest.raises(DatasetRefused, match="no place that an admin allowed"):
            digest_dataset(reference, access)


@pytest.mark.parametrize(
    "md5", ["", "../../../etc/passwd", "A" * 32, "0" * 31, "0" * 32 + ".dir/x"]
)
def test_what_is_no_md5_is_refused(repository: Path, access: Access, md5: str) -> None:
    reference = refer(repository / "data" / "loans.csv")
    with pytest.raises(DatasetError):
        digest_dataset(pointing(reference, reference.uri, md5=md5), access)


@pytest.mark.parametrize(
    "rows",
    ["{", "{}", "[1]", '[{"md5": 1, "relpath": "a"}]', '[{"md5": "x", "relpath": "a"}]', None],
)
def test_a_listing_that_lies_leads_nowhere(
    repository: Path, access: Access, store: Path, tmp_path: Path, rows: str | None
) -> None:
    reference = refer(repository / "data" / "images")
    [good] = [path for path in objects(store) if path.suffix != ".dir"][:1]
    md5 = f"{good.parent.name}{good.name}"
    hostile = rows or json.dumps([{"md5": md5, "relpath": "../../escaped"}])
    name = hashlib.md5(hostile.encode()).hexdigest()
    place = store / "files" / "md5" / name[:2] / f"{name[2:]}.dir"
    place.parent.mkdir(exist_ok=True)
    place.write_text(hostile)
    destination = tmp_path / "one" / "two"
    destination.mkdir(parents=True)
    with pytest.raises(DatasetError):
        fetch_dataset(
            pointing(reference, reference.uri, md5=f"{name}.dir"),
            destination,
            access,
            checkout=None,
        )
    assert not list((tmp_path / "one").rglob("escaped"))


def _symlinked(checkout: Path) -> None:
    pointer = checkout / "data" / "loans.csv.dvc"
    pointer.unlink()
    pointer.symlink_to("/etc/passwd")


def _written(content: str) -> Callable[[Path], None]:
    return lambda checkout: (checkout / "data" / "loans.csv.dvc").write_text(content) and None


@pytest.mark.parametrize(
    "break_it",
    [
        _symlinked,
        _written("outs: ["),
        _written("[]"),
        _written("outs: 1"),
        _written("!!python/object/apply:os.system ['id']"),
        _written("outs:\n- path: loans.csv\n"),
        _written(f"outs:\n- path: loans.csv\n  md5: {'0' * 32}\n"),  # DVC 2
        _written("outs:\n- path: loans.csv\n  hash: md5\n  md5: ../../x\n"),
    ],
)
def test_a_hostile_pointer_is_refused(checkout: Path, break_it: Callable[[Path], None]) -> None:
    break_it(checkout)
    with pytest.raises(DatasetRefused):
        resolve_at_commit(checkout, "data/loans.csv")


def test_what_is_not_tracked_is_not(checkout: Path, tmp_path: Path) -> None:
    for path in ("train.py", "data", "data/loans.csv.dvc", "none", "data/loans"):
        assert resolve_at_commit(checkout, path) is None
    assert resolve_at_commit(tmp_path, "data/loans.csv") is None
    for path in ("../x", "/etc/passwd", "", "a//b"):
        with pytest.raises(DatasetRefused):
            resolve_at_commit(checkout, path)
