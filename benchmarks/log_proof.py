"""An inclusion proof at a million entries from stored tiles, beside the reads that it needs alone.

Ours: p50 of building a proof of a random leaf, from the tiles in PostgreSQL. Peer: p50 of the same
single-row reads, and nothing else. At most 10 of them are wanted.
"""

from __future__ import annotations

import hashlib
import random
import statistics

from benchmarks.bench import database, is_full, result, say, seconds

SAMPLES = 300


def main() -> None:
    tree_size = 4_000_000 if is_full() else 1_000_000
    with database():
        from audits.log_tree import extend_tiles, read_tile
        from audits.services.sequencer import DATABASE
        from muniment.attest.merkle import verify_inclusion
        from muniment.attest.tile_tree import Frontier, TileReader
        from muniment.attest.tiles import Tile

        say(f"growing a tree of {tree_size}")
        frontier = Frontier()
        extend_tiles(frontier, (_leaf(n) for n in range(tree_size)), using=DATABASE)
        root = frontier.root_hash()
        read = read_tile()
        ours, peer, most = [], [], 0
        # A tree whose size is not round has the longest way along its right edge.
        leaves = random.Random(1).sample(range(tree_size), SAMPLES)
        for leaf_index in leaves:
            tiles: list[Tile] = []

            def read_and_note(tile: Tile, tiles: list[Tile] = tiles) -> bytes:
                tiles.append(tile)
                return read(tile)

            proof = TileReader(read_and_note, tree_size).inclusion_proof(leaf_index)
            verify_inclusion(_leaf(leaf_index), leaf_index, tree_size, proof, root)
            most = max(most, len(tiles))
            ours.append(
                seconds(lambda at=leaf_index: TileReader(read, tree_size).inclusion_proof(at))
            )
            peer.append(seconds(lambda tiles=tiles: [read(tile) for tile in tiles]))
    result(
        workload=f"inclusion proof of a random leaf of {tree_size}, p50",
        ours=statistics.median(ours) * 1000,
        peer=statistics.median(peer) * 1000,
        unit="ms",
        most_reads=most,
    )


def _leaf(number: int) -> bytes:
    return hashlib.sha256(b"\x00" + number.to_bytes(8)).digest()


if __name__ == "__main__":
    main()
