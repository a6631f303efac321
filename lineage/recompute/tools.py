"""What a worker recomputes with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineage.recompute.environment import PackageSource
from lineage.recompute.limits import Limits
from lineage.recompute.sandbox import Sandbox
from muniment.datasets import Access


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker has to recompute with.

    Attributes:
        work_folder: where each recomputation gets a folder of its own, which is gone afterwards.
        environments: where rebuilt environments are kept.
        packages: where packages come from.
        access: the places where the source's data may be opened.
        remotes: the places where the source's code may be fetched.
    """

    sandbox: Sandbox
    limits: Limits
    work_folder: Path
    environments: Path
    packages: PackageSource
    access: Access
    remotes: tuple[str, ...]
