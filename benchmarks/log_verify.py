"""Verifying a log of a million entries, beside hashing the same leaves and nodes alone.

Ours: the check of every entry bundle, every tile of every level and the root, out of a folder, in
a process of its own, whose peak memory is measured. Peer: hashlib over the same leaves and the same
inner nodes, nothing else: reading and taking bundles apart is not counted. Signatures are in
neither. At most 2.0 times the peer's time is wanted, under 300 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench import is_full, result, say, temporary_folder
from muniment.attest.checkpoint import Checkpoint
from muniment.attest.merkle import leaf_hash
from muniment.attest.tile_tree import Frontier
from muniment.attest.tiles import TILE_WIDTH, Tile, bundles_of, join_entries, split_entries

ENTRY_BYTES = 1500
OURS = """
import json, resource, sys, time
from pathlib import Path
from muniment.attest.checkpoint import Checkpoint
from muniment.attest.log_source import FolderSource
from muniment.verify.log_hashes import check_hashes
folder, size, root = sys.argv[1:]
checkpoint = Checkpoint("bench.test/log", int(size), bytes.fromhex(root))
started = time.perf_counter()
check_hashes(FolderSource(Path(folder)), checkpoint)
took = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": took, "peak_bytes": peak}))
"""


def main() -> None:
    tree_size = 1_000_000 if not is_full() else 4_000_000
    with temporary_folder() as folder:
        say(f"writing a log of {tree_size} entries of {ENTRY_BYTES} bytes")
        checkpoint = _write_log(folder, tree_size)
        say("hashing alone")
        peer = _hash_alone(folder, tree_size)
        say("verifying")
        done = subprocess.run(
            [sys.executable, "-c", OURS, folder, str(tree_size), checkpoint.root_hash.hex()],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            check=True,
        )
        ours = json.loads(done.stdout)
    result(
        workload=f"verify a log of {tree_size} entries of {ENTRY_BYTES} bytes",
        ours=ours["seconds"],
        peer=peer,
        unit="s",
        peak_megabytes=round(ours["peak_bytes"] / 1e6),
    )


def _write_log(folder: Path, tree_size: int) -> Checkpoint:
    noise = random.Random(1).randbytes(ENTRY_BYTES)
    frontier = Frontier()
    for bundle in bundles_of(tree_size):
        first = bundle.index * TILE_WIDTH
        entries = [n.to_bytes(8) + noise[8:] for n in range(first, first + bundle.width)]
        _write(folder, bundle, join_entries(entries))
        for level, index, hashes in frontier.append(leaf_hash(entry) for entry in entries):
            _write(folder, Tile(level, index), b"".join(hashes))
    for level, hashes in enumerate(frontier.edge):
        if hashes:
            index = (tree_size >> 8 * level) // TILE_WIDTH
            _write(folder, Tile(level, index, len(hashes)), b"".join(hashes))
    return Checkpoint("bench.test/log", tree_size, frontier.root_hash())


def _write(folder: Path, tile: Tile, content: bytes) -> None:
    path = folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _hash_alone(folder: Path, tree_size: int) -> float:
    """Return the seconds that the leaves and inner nodes of the tree take hashlib."""
    sha256 = hashlib.sha256
    took = 0.0
    level = []
    for bundle in bundles_of(tree_size):
        content = (folder / bundle.path).read_bytes()
        entries = split_entries(content, bundle.width, bundle.path)
        started = time.perf_counter()
        level += [sha256(b"\x00" + entry).digest() for entry in entries]
        took += time.perf_counter() - started
    started = time.perf_counter()
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return took + time.perf_counter() - started


if __name__ == "__main__":
    main()
