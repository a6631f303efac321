"""Hashing a folder, beside `sha256sum` over the same tree and beside DVC's hashing.

Two trees, written once and read from memory: 4 GB in files of 16 MB to 1 GB, and 20,000 small
files. Ours is `dir_hash`, in a process of its own, whose peak memory is measured. Peers: the recipe
of coreutils that an auditor runs, one process of `sha256sum` for all files; and `dvc_data`, as
`dvc add` hashes, with as many threads as DVC takes, its cache of earlier hashes left out.

The peer of the result is one thread of `hashlib.sha256` over bytes that are in memory already: at
least 1.6 times its rate is wanted of two cores, on the tree of large files, and to be faster than
both programs on either tree. Each figure is the best of five, since nothing makes a run too fast.
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

from benchmarks.bench import is_full, result, say, seconds, temporary_folder

ROUNDS = 5
MB = 1_000_000
# 4 GB in files of 16 MB to 1 GB.
LARGE = [1_000] + [500] * 2 + [250] * 4 + [100] * 4 + [50] * 4 + [32] * 5 + [16] * 15
SMALL_FILES = 20_000
RECIPE = "find . -type f -print0 | cut -z -c3- | LC_ALL=C sort -z | xargs -r0 sha256sum | sha256sum"
OURS = """
import json, resource, sys, time
from muniment.attest.digest import dir_hash
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
started = time.perf_counter()
digest = dir_hash(sys.argv[1])
took = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": took, "digest": digest.hex, "peak": peak, "grown": peak - before}))
"""
DVC = """
import json, sys, time
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs import LocalFileSystem
fs = LocalFileSystem()
odb = HashFileDB(fs, sys.argv[2])
started = time.perf_counter()
build(odb, sys.argv[1], fs, "md5", dry_run=True)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def main() -> None:
    with temporary_folder() as folder:
        large, small = folder / "large", folder / "small"
        sizes = [megabytes * MB for megabytes in LARGE] * (2 if is_full() else 1)
        say(f"writing {sum(sizes) / 1e9:g} GB in {len(sizes)} files, and {SMALL_FILES} small files")
        _write(large, sizes)
        _write(small, [size % 30_000 + 1_000 for size in range(0, 37 * SMALL_FILES, 37)])
        one_thread = _one_thread()
        say(f"one thread of hashlib in memory: {one_thread / MB:.0f} MB/s")
        ours = {tree: _ours(tree) for tree in (large, small)}
        coreutils = {tree: _coreutils(tree, str(ours[tree]["digest"])) for tree in (large, small)}
        dvc = {tree: _dvc(tree, folder / "cache") for tree in (large, small)}
    rate = sum(sizes) / float(ours[large]["seconds"])
    result(
        workload=f"hash {sum(sizes) / 1e9:g} GB in files of 16 MB to 1 GB",
        ours=rate / MB,
        peer=one_thread / MB,
        unit="MB/s",
        seconds=round(float(ours[large]["seconds"]), 2),
        sha256sum_seconds=round(coreutils[large], 2),
        dvc_seconds=round(dvc[large], 2),
        small_files_seconds=round(float(ours[small]["seconds"]), 2),
        small_files_sha256sum_seconds=round(coreutils[small], 2),
        small_files_dvc_seconds=round(dvc[small], 2),
        peak_megabytes=round(float(ours[large]["peak"]) / MB),
        peak_growth_megabytes=round(float(ours[large]["grown"]) / MB, 1),
        small_files_peak_megabytes=round(float(ours[small]["peak"]) / MB),
    )


def _write(folder: Path, sizes: list[int]) -> None:
    noise = random.Random(1).randbytes(MB)
    for number, size in enumerate(sizes):
        path = folder / f"{number % 100:02}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(number.to_bytes(8, "big"))
            for _ in range((size - 8) // MB):
                stream.write(noise)
            stream.write(noise[: (size - 8) % MB])


def _one_thread() -> float:
    """Return bytes a second."""
    content = bytearray(MB)

    def hash_them() -> None:
        sha256 = hashlib.sha256()
        for _ in range(500):
            sha256.update(content)

    return 500 * MB / min(seconds(hash_them) for _ in range(ROUNDS))


def _ours(folder: Path) -> dict[str, float | str]:
    say(f"ours: {folder.name}")
    found = [_python(OURS, folder) for _ in range(ROUNDS)]
    return min(found, key=lambda one: float(one["seconds"]))


def _coreutils(folder: Path, digest: str) -> float:
    say(f"sha256sum: {folder.name}")
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", RECIPE],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        best = min(best, time.perf_counter() - started)
        if done.stdout.split()[0] != digest:
            raise SystemExit("sha256sum and dir_hash do not agree")
    return best


def _dvc(folder: Path, cache: Path) -> float:
    say(f"dvc: {folder.name}")
    return min(float(_python(DVC, folder, str(cache))["seconds"]) for _ in range(ROUNDS))


def _python(program: str, folder: Path, *arguments: str) -> dict[str, float | str]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
