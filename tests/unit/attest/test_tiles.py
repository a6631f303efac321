"""Tiles by name and content, and trees kept as tiles, against the plain tree over all leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest import merkle
from muniment.attest.errors import ProofError, TileError
from muniment.attest.tile_tree import Frontier, TileCache, TileReader
from muniment.attest.tiles import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    Tile,
    bundles_of,
    join_entries,
    split_entries,
    split_hashes,
    tile_width,
    tiles_of,
)

SIZES = (0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 65_535, 65_536, 65_537, 66_049)
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(max(SIZES))]
Stored = dict[tuple[int | None, int], bytes]


def store(size: int, step: int = 0) -> tuple[Stored, Frontier]:
    """Grow a tree, all at once or some leaves at a time, and keep its tiles."""
    tiles: Stored = {}
    frontier = Frontier()
    for first in range(0, size, step or max(size, 1)):
        portion = LEAVES[first : min(size, first + (step or size))]
        for level, index, hashes in frontier.append(portion):
            tiles[level, index] = b"".join(hashes)
        for level, hashes in enumerate(frontier.edge):
            if hashes:
                tiles[level, frontier.tree_size >> 8 * level >> 8] = b"".join(hashes)
    return tiles, frontier


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_kept_as_tiles_is_the_tree(size: int) -> None:
    tiles, frontier = store(size)
    root = merkle.root_hash(LEAVES[:size])
    assert frontier.tree_size == size
    assert frontier.root_hash() == root
    assert {(tile.level, tile.index) for tile in tiles_of(size)} == set(tiles)
    for tile in tiles_of(size):
        assert len(tiles[tile.level, tile.index]) == tile.width * 32
    reader = TileReader(lambda tile: tiles[tile.level, tile.index], size)
    assert reader.root_hash() == root
    for place in {0, 1, size // 3, size // 2, size - 2, size - 1}:
        if 0 <= place < size:
            proof = reader.inclusion_proof(place)
            assert proof == merkle.inclusion_proof(LEAVES[:size], place)
            merkle.verify_inclusion(LEAVES[place], place, size, proof, root)
            assert reader.leaf_hash(place) == LEAVES[place]
            assert reader.consistency_proof(place) == merkle.consistency_proof(LEAVES[:size], place)


@given(st.integers(0, 1500), st.integers(1, 700), st.data())
def test_how_a_tree_grew_does_not_matter(size: int, step: int, data: st.DataObject) -> None:
    tiles, frontier = store(size, step)
    assert tiles == store(size)[0]
    assert frontier.root_hash() == merkle.root_hash(LEAVES[:size])
    # A reader of an older tree is served by tiles that have grown since.
    older = data.draw(st.integers(0, size))
    reader = TileReader(lambda tile: tiles[tile.level, tile.index], older)
    assert reader.root_hash() == merkle.root_hash(LEAVES[:older])
    # A frontier that is taken up again goes on as if it had never been put down.
    again = Frontier(frontier.tree_size, frontier.edge)
    list(again.append(LEAVES[size : size + 300]))
    assert again.root_hash() == merkle.root_hash(LEAVES[: size + 300])


def test_a_reader_asks_for_few_tiles_and_keeps_full_ones() -> None:
    tiles, _ = store(66_049)
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return tiles[tile.level, tile.index]

    cache = TileCache(most=8)
    TileReader(read, 66_049, cache).inclusion_proof(5)
    assert len(asked) <= 6
    full = {(tile.level, tile.index) for tile in asked if tile.width == TILE_WIDTH}
    assert full
    asked.clear()
    TileReader(read, 66_049, cache).inclusion_proof(5)
    assert not full & {(tile.level, tile.index) for tile in asked}


def test_what_is_not_in_the_tree_is_refused() -> None:
    tiles, frontier = store(300)
    reader = TileReader(lambda tile: tiles[tile.level, tile.index], 300)
    for leaf_index in (-1, 300):
        with pytest.raises(ProofError):
            reader.inclusion_proof(leaf_index)
    with pytest.raises(ProofError):
        reader.consistency_proof(301)
    with pytest.raises(TileError):
        TileReader(lambda tile: b"", -1)
    with pytest.raises(TileError, match="width"):
        Frontier(301, frontier.edge)
    with pytest.raises(TileError, match="upper levels"):
        Frontier(300, frontier.edge[:1])
    short = TileReader(lambda tile: tiles[tile.level, tile.index][:-1], 300)
    with pytest.raises(TileError, match="a tile of width"):
        short.root_hash()


tile_names = st.builds(
    Tile,
    level=st.one_of(st.none(), st.integers(0, 63)),
    index=st.integers(0, 10**18),
    width=st.integers(1, 256),
)


@given(tile_names)
def test_a_path_is_read_back(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 1_234_067), "tile/1/x001/x234/067"),
        (Tile(3, 999, 17), "tile/3/999.p/17"),
        (Tile(None, 1000, 255), "tile/entries/x001/000.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/../000",
        "tile/Entries/000",
        "tile/0/٠٠٠",
    ],
)
def test_another_path_is_refused(path: str) -> None:
    with pytest.raises(TileError):
        Tile.parse(path)


def test_widths_are_those_of_the_specifications_example() -> None:
    """A tree of 70,000: 273 full tiles and one of 112; one full and one of 17; one of 1."""
    by_level: dict[int | None, list[int]] = {}
    for tile in tiles_of(70_000):
        by_level.setdefault(tile.level, []).append(tile.width)
    assert by_level == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert [tile.width for tile in bundles_of(70_000)] == by_level[0]
    assert tile_width(0, 274, 70_000) == 0


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.data())
def test_a_bundle_is_read_back_whole_or_not_at_all(
    entries: list[bytes], data: st.DataObject
) -> None:
    content = join_entries(entries)
    assert split_entries(content, len(entries), "x") == entries
    cut = data.draw(st.integers(0, len(content) - 1))
    for other in (content[:cut], content + b"\x00"):
        with pytest.raises(TileError):
            split_entries(other, len(entries), "x")
    with pytest.raises(TileError):
        split_entries(content, len(entries) + 1, "x")


def test_an_entry_has_a_length_of_two_bytes() -> None:
    largest = b"x" * MAX_ENTRY_BYTES
    assert split_entries(join_entries([largest]), 1, "x") == [largest]
    with pytest.raises(TileError, match="at most 65535"):
        join_entries([largest + b"x"])


def test_a_tile_is_whole_hashes() -> None:
    assert split_hashes(b"a" * 64, 2, "x") == [b"a" * 32, b"a" * 32]
    for content in (b"", b"a" * 63, b"a" * 65, b"a" * 96):
        with pytest.raises(TileError, match="x has"):
            split_hashes(content, 2, "x")
