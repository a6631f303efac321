"""The log's tree as it lies in the database: tiles, read and extended."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db import connections

from muniment.attest.errors import TileError
from muniment.attest.merkle import HASH_BYTES
from muniment.attest.tile_tree import Frontier, TileCache, TileReader
from muniment.attest.tiles import TILE_WIDTH, Tile, join_entries


def read_tile(using: str = "default") -> Callable[[Tile], bytes]:
    """Return what reads one tile: a single row, by its place."""

    def read(tile: Tile) -> bytes:
        with connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT hashes FROM audits_log_tile WHERE level = %s AND index = %s",
                [tile.level, tile.index],
            )
            row = cursor.fetchone()
        if row is None:
            raise TileError(f"{tile.path} is not in the database", code="tile.missing")
        return bytes(row[0])

    return read


def tree_reader(tree_size: int, *, using: str = "default") -> TileReader:
    """Return a reader of the tree at one size; a tile that has grown since serves as well."""
    return TileReader(read_tile(using), tree_size, TileCache(most=16))


def load_frontier(*, using: str) -> Frontier:
    """Return the right edge of the tree as far as its tiles go.

    Raises:
        TileError: the last tiles of its levels do not belong to one tree.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (level) level, index, hashes FROM audits_log_tile"
            " ORDER BY level, index DESC"
        )
        last = {level: (index, bytes(hashes)) for level, index, hashes in cursor.fetchall()}
    if not last:
        return Frontier()
    index, hashes = last[0]
    tree_size = index * TILE_WIDTH + len(hashes) // HASH_BYTES
    edge: list[list[bytes]] = []
    while tree_size >> (8 * len(edge)):
        level = len(edge)
        index, content = last.get(level, (-1, b""))
        has_tail = (tree_size >> (8 * level)) % TILE_WIDTH
        # A level that ends with a full tile has no hash left over.
        tail = content if has_tail else b""
        if index != ((tree_size >> (8 * level)) - 1) // TILE_WIDTH:
            raise TileError(
                f"the last tile of level {level} is not that of a tree of {tree_size}: run "
                "`manage.py log rebuild-tiles`",
                code="tile.frontier",
            )
        edge.append([tail[at : at + HASH_BYTES] for at in range(0, len(tail), HASH_BYTES)])
    return Frontier(tree_size, edge)


def extend_tiles(frontier: Frontier, leaf_hashes: Iterable[bytes], *, using: str) -> None:
    """Add leaves to the tree's right edge and store the tiles that they fill or begin.

    Joins the caller's transaction. Only the role `using` that sequences may write tiles.
    """
    rows = {
        (level, index): b"".join(hashes) for level, index, hashes in frontier.append(leaf_hashes)
    }
    for level, hashes in enumerate(frontier.edge):
        if hashes:
            index = (frontier.tree_size >> (8 * level)) // TILE_WIDTH
            rows[level, index] = b"".join(hashes)
    if not rows:
        return
    with connections[using].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audits_log_tile (level, index, hashes)"
            " SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])"
            " ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes",
            [
                [level for level, _ in rows],
                [index for _, index in rows],
                list(rows.values()),
            ],
        )


def entry_bundle(tile: Tile, *, using: str = "default") -> bytes:
    """Return the bundle of entries that `tile` names, in one query.

    Raises:
        TileError: the database does not hold that many leaves.
    """
    first = tile.index * TILE_WIDTH
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT entry.envelope FROM audits_log_leaf leaf"
            " JOIN audits_log_entry entry ON entry.id = leaf.entry_id"
            " WHERE leaf.leaf_index >= %s AND leaf.leaf_index < %s ORDER BY leaf.leaf_index",
            [first, first + tile.width],
        )
        entries = [bytes(row[0]) for row in cursor.fetchall()]
    if len(entries) != tile.width:
        raise TileError(
            f"{tile.path} needs {tile.width} entries, the database holds {len(entries)} of them",
            code="tile.missing",
        )
    return join_entries(entries)
