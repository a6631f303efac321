"""Every byte of a log counts: what is flipped, cut, added, taken away or swapped is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.log_source import FolderSource
from muniment.attest.note import NoteSigner
from muniment.attest.tiles import join_entries, split_entries
from muniment.verify import LogQuestion, LogTrust
from muniment.verify.log_hashes import check_hashes
from muniment.verify.whole_log import verify_log
from tests import naive_log
from tests.unit.attest.test_note import LOG
from tests.unit.verify.conftest import LookAtLog
from tests.unit.verify.log_folder import files_of, write, write_log
from tests.unit.verify.world import World, failures

TILES = [
    "tile/0/000",
    "tile/0/001",
    "tile/0/002.p/88",
    "tile/1/000.p/2",
    "tile/entries/000",
    "tile/entries/001",
    "tile/entries/002.p/88",
]


def flip(folder: Path, path: str, at: int) -> None:
    content = bytearray((folder / path).read_bytes())
    content[at] ^= 1
    (folder / path).write_bytes(content)


def messages(found: object) -> str:
    return " | ".join(
        finding.detail
        for finding in found.findings  # type: ignore[attr-defined]
        if not finding.holds
    )


def test_an_honest_log_is_accepted_by_both_verifiers(
    honest_log: Path, look_at: LookAtLog, honest: World
) -> None:
    found = look_at(honest_log)
    assert failures(found) == {}
    assert found.holds
    assert naive_log.verify_log(honest_log, honest.vkey) == 600
    details = {finding.id: finding.detail for finding in found.findings}
    assert details["log.tiles"].startswith("600 entries in 3 bundles, 4 tiles of hashes, root ")
    assert details["log.signatures"] == "600 statements, by 1 key"
    assert details["log.streams"] == "598 statements in 1 stream"
    assert details["log.checkpoints"] == "7 checkpoints"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513])
def test_logs_of_any_size_are_accepted_by_both_verifiers(tmp_path: Path, size: int) -> None:
    entries = [b"entry %d" % number for number in range(size)]
    folder = write_log(tmp_path, entries, LOG, earlier=range(0, size, 50))
    question = LogQuestion(str(folder), hashes_only=True)
    found = verify_log(question, LogTrust.of_keys([LOG.vkey]))
    assert failures(found) == {}
    assert found.facts["tree_size"] == naive_log.verify_log(folder, LOG.vkey) == size


def test_a_log_with_a_third_level_is_accepted_by_both_verifiers(tmp_path: Path) -> None:
    """65,536 leaves make the first full tile of level 1."""
    size = 65_536 + 256 + 3
    folder = write_log(tmp_path, [b"%d" % number for number in range(size)], LOG)
    source = FolderSource(folder)
    checkpoint = verify_checkpoint(source.checkpoint(), LOG.vkey)
    hashed = check_hashes(source, checkpoint, sizes=[65_535, 65_536, 65_537, 65_792])
    assert (hashed.tree_size, hashed.tiles) == (size, 257 + 1 + 2 + 1)
    assert hashed.roots[65_536] == source.reader(65_536, size).root_hash()
    assert naive_log.verify_log(folder, LOG.vkey) == size
    for path in ("tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"):
        flip(folder, path, 7)
        with pytest.raises(AttestError, match=re.escape(path)):
            check_hashes(source, checkpoint)
        with pytest.raises(AssertionError):
            naive_log.verify_log(folder, LOG.vkey)
        flip(folder, path, 7)


@pytest.mark.parametrize("path", TILES)
@pytest.mark.parametrize("place", [0.0, 0.49, 0.999])
def test_a_flipped_byte_of_a_tile_or_a_bundle_is_found_and_named(
    log: Path, look_at: LookAtLog, honest: World, path: str, place: float
) -> None:
    flip(log, path, int(place * (log / path).stat().st_size))
    found = look_at(log)
    assert set(failures(found)) == {"log.tiles"}
    assert path in messages(found)
    # What rests on the tiles is not said to hold.
    held = {finding.id for finding in found.findings if finding.holds}
    assert held == {"log.head"}
    with pytest.raises(AssertionError):
        naive_log.verify_log(log, honest.vkey)


@pytest.mark.parametrize("leaf", [0, 255, 256, 300, 511, 512, 599])
def test_it_is_said_which_entry_was_changed_and_which_hash(
    log: Path, look_at: LookAtLog, many: World, leaf: int
) -> None:
    bundle, tile = ("002.p/88" if leaf >= 512 else f"00{leaf // 256}",) * 2
    entries = split_entries(
        (log / f"tile/entries/{bundle}").read_bytes(), 88 if leaf >= 512 else 256, ""
    )
    entries[leaf % 256] = entries[leaf % 256][:-1] + b"!"
    (log / f"tile/entries/{bundle}").write_bytes(join_entries(entries))
    assert messages(look_at(log)).startswith(f"tile/entries/{bundle}: entry {leaf} is not the one")
    entries[leaf % 256] = many.leaves[leaf]
    (log / f"tile/entries/{bundle}").write_bytes(join_entries(entries))
    flip(log, f"tile/0/{tile}", leaf % 256 * 32 + 5)
    assert messages(look_at(log)).startswith(
        f"tile/0/{tile}: hash {leaf % 256} is not that of entry {leaf}"
    )


def test_an_entry_replaced_with_its_tile_is_found_above(log: Path, look_at: LookAtLog) -> None:
    other = write_log(log.parent / "other", [b"%d" % number for number in range(600)], LOG)
    for path in ("tile/entries/001", "tile/0/001"):
        (log / path).write_bytes((other / path).read_bytes())
    assert messages(look_at(log)).startswith("tile/1/000.p/2: hash 1 is not the root of tile/0/001")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_of_any_file_can_change(log: Path, look_at: LookAtLog, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(log)))
    content = (log / path).read_bytes()
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        (log / path).write_bytes(changed)
        found = look_at(log, hashes_only=True)
    finally:
        (log / path).write_bytes(content)
    assert not found.holds
    assert path in messages(found)


@pytest.mark.parametrize(
    ("path", "at"),
    [("checkpoint", 3), ("checkpoint", 20), ("checkpoint", 30), ("checkpoint", -9)],
    ids=["origin", "size", "root", "signature"],
)
def test_a_changed_checkpoint_ends_it(log: Path, look_at: LookAtLog, path: str, at: int) -> None:
    flip(log, path, at)
    found = look_at(log)
    assert set(failures(found)) == {"log.head"}
    assert messages(found).startswith("checkpoint: ")
    assert not any(finding.holds for finding in found.findings)


@pytest.mark.parametrize("path", [*TILES, "checkpoint"])
@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes() + b"\0"),
        lambda file: file.write_bytes(file.read_bytes() + file.read_bytes()),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: (file.unlink(), file.symlink_to("/etc/hostname")),
    ],
    ids=["missing", "empty", "cut", "longer", "twice", "folder", "link"],
)
def test_a_missing_cut_or_longer_file_is_found_and_named(
    log: Path, look_at: LookAtLog, path: str, damage: Callable[[Path], object]
) -> None:
    damage(log / path)
    found = look_at(log, hashes_only=True)
    assert not found.holds
    assert path in messages(found)


@pytest.mark.parametrize(
    ("first", "second"),
    [("tile/0/000", "tile/0/001"), ("tile/entries/000", "tile/entries/001")],
)
def test_swapped_files_are_found(
    log: Path, look_at: LookAtLog, honest: World, first: str, second: str
) -> None:
    contents = [(log / path).read_bytes() for path in (first, second)]
    (log / first).write_bytes(contents[1])
    (log / second).write_bytes(contents[0])
    found = look_at(log)
    assert set(failures(found)) == {"log.tiles"}
    assert first in messages(found)
    with pytest.raises(AssertionError):
        naive_log.verify_log(log, honest.vkey)


def test_two_swapped_entries_are_found(log: Path, look_at: LookAtLog) -> None:
    path = log / "tile/entries/000"
    entries = split_entries(path.read_bytes(), 256, "")
    entries[7], entries[8] = entries[8], entries[7]
    path.write_bytes(join_entries(entries))
    assert "tile/entries/000: entry 7 is not the one" in messages(look_at(log))


def test_tiles_and_entries_without_a_root_for_them_are_found(
    tmp_path: Path, look_at: LookAtLog, many: World
) -> None:
    """Everything agrees, and is of another size than what was signed."""
    folder = write_log(tmp_path, many.leaves[:599], many.log)
    (folder / "checkpoint").write_bytes(
        (write_log(tmp_path / "x", many.leaves[:598], many.log) / "checkpoint").read_bytes()
    )
    for path in ("tile/0/002.p/86", "tile/entries/002.p/86", "tile/1/000.p/2"):
        write(folder, path, (tmp_path / "x" / path).read_bytes())
    assert look_at(folder, hashes_only=True).findings[1].holds
    forged = write_log(tmp_path / "y", [*many.leaves[:597], b"another"], many.log)
    for path in ("tile/0/002.p/86", "tile/entries/002.p/86"):
        write(folder, path, (forged / path).read_bytes())
    found = look_at(folder, hashes_only=True)
    assert failures(found)["log.tiles"] == "log.root"


def test_where_the_partial_tile_is_gone_the_full_one_is_read(
    tmp_path: Path, look_at: LookAtLog, many: World
) -> None:
    """A server may drop partial tiles once the full ones are there; the head lags behind."""
    folder = write_log(tmp_path, many.leaves, many.log)
    older = write_log(tmp_path / "older", many.leaves[:500], many.log)
    (folder / "checkpoint").write_bytes((older / "checkpoint").read_bytes())
    (folder / "checkpoints/600").unlink()
    write(folder, "tile/1/000.p/1", (older / "tile/1/000.p/1").read_bytes())
    found = look_at(folder)
    assert failures(found) == {}
    assert found.facts["tree_size"] == 500


def test_a_log_under_another_key_is_refused(honest_log: Path, many: World) -> None:
    other = NoteSigner(many.log.name, LOG.private_key)
    found = verify_log(LogQuestion(str(honest_log)), LogTrust.of_keys([other.vkey]))
    assert failures(found)["log.head"] == "note.unknown_key"
    assert not any(finding.holds for finding in found.findings)


def test_a_place_that_is_no_log_is_a_finding(tmp_path: Path, look_at: LookAtLog) -> None:
    for place in (tmp_path, tmp_path / "absent", "http://", "http://user:pw@localhost/log"):
        found = look_at(place)
        assert not found.holds
        assert not any(finding.holds for finding in found.findings)


def test_what_was_left_out_is_a_limit(honest_log: Path, look_at: LookAtLog) -> None:
    found = look_at(honest_log, hashes_only=True)
    assert found.holds
    assert any("--hashes-only" in limit for limit in found.limits)
    assert any("omitted tail" in limit for limit in found.limits)
    assert any("No timestamp" in limit or "no timestamp" in limit for limit in found.limits)
    assert {finding.id for finding in found.findings} == {
        "log.head",
        "log.tiles",
        "log.checkpoints",
    }


def test_progress_is_told_in_entries(honest_log: Path, look_at: LookAtLog) -> None:
    told: list[tuple[int, int]] = []
    look_at(honest_log, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(256, 600), (512, 600), (600, 600)]
