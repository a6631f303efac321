"""What a program that runs under ``muniment run`` tells the recorder outside: a file of lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from muniment.attest.errors import AttestError
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import Fault

# Names the file, in the environment of the command.
NOTES_VARIABLE: Final = "MUNIMENT_CAPTURE_NOTES"
_MAX_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Notes:
    """What was noted, and what of it could not be read."""

    seeds: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetReference, ...] = ()
    faults: tuple[Fault, ...] = ()


def note_seeds(file: Path, seeds: Mapping[str, str]) -> None:
    """Note what was seeded."""
    _note(file, {"seeds": dict(seeds)})


def note_dataset(file: Path, reference: DatasetReference) -> None:
    """Note a data set that the program opened."""
    _note(file, {"dataset": reference.as_mapping()})


def note_fault(file: Path, fault: str) -> None:
    """Note what the program could not record of its data."""
    _note(file, {"fault": fault})


def read_notes(file: Path) -> Notes:
    """Read what was noted. Never raises: what cannot be read is a fault."""
    seeds: dict[str, str] = {}
    datasets: dict[tuple[str, str], DatasetReference] = {}
    faults = []
    try:
        with file.open("rb") as stream:
            lines = stream.read(_MAX_BYTES).splitlines()
    except OSError:
        return Notes()
    for line in lines:
        try:
            said: Any = json.loads(line)
            if "dataset" in said:
                reference = DatasetReference.from_mapping(said["dataset"])
                datasets[reference.role, reference.uri or reference.name] = reference
            elif "fault" in said:
                faults.append(Fault(str(said["fault"]), "data"))
            else:
                seeds.update({str(name): str(seed) for name, seed in said["seeds"].items()})
        except (ValueError, KeyError, TypeError, AttributeError, AttestError):
            # It may have been a data set. A seed that is lost is missed anyway.
            unread = "Something that the program noted for its record cannot be read."
            faults.append(Fault(unread, "data"))
    return Notes(seeds, tuple(datasets.values()), tuple(dict.fromkeys(faults)))


def _note(file: Path, said: Mapping[str, Any]) -> None:
    # One write of one line: several processes of a training may note something.
    with file.open("ab", buffering=0) as stream:
        stream.write(json.dumps(said).encode() + b"\n")
