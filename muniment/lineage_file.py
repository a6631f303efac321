"""The wire format of ``muniment/lineage.json``: what one training was made of.

The kit writes it into the MLflow run, and whoever trained may have written anything: the server
reads it as it reads any hostile text, and grades what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from muniment.attest.digest import canonical_json
from muniment.attest.errors import AttestError
from muniment.attest.strict_json import parse_object
from muniment.datasets.reference import DatasetReference, ReferenceInvalid
from muniment.reading import Members

FORMAT: Final = "https://muniment.dev/lineage-file/v1"
# Artifacts of the run.
LINEAGE_PATH: Final = "muniment/lineage.json"
LOCK_PATH: Final = "muniment/requirements.lock.txt"
UV_LOCK_PATH: Final = "muniment/uv.lock"
# Tags of the run.
LINEAGE_SHA256_TAG: Final = "muniment.lineage.sha256"
CAPTURE_TAG: Final = "muniment.capture"  # the same for all runs of one recorded command
MAX_BYTES: Final = 8 * 1024 * 1024
# It seeds the order of sets, and nothing that is fitted.
HASH_SEED: Final = "PYTHONHASHSEED"
SET_A_SEED: Final = (
    "Seed the training, and log the seed as the parameter seed, pass it as --seed N, or name it "
    'with muniment.capture.record(seeds={"numpy": N}).'
)
LEGS: Final = ("code", "data", "environment", "configuration")


class LineageFileInvalid(AttestError):
    """A ``muniment/lineage.json`` is malformed."""

    default_code = "lineage_file.invalid"


@dataclass(frozen=True, slots=True)
class Code:
    """The program that trained.

    Attributes:
        commit: 40 or 64 hex digits; empty where there is no repository.
        remote: where it can be fetched, without credentials; empty where none is named.
        is_dirty: files differed from the commit; None where nobody could say.
        diff_sha256: of ``git diff HEAD --binary`` and the untracked files, where it is dirty.
        notebook: path in the repository of the notebook that trained; empty for a script.
    """

    commit: str = ""
    remote: str = ""
    is_dirty: bool | None = None
    diff_sha256: str = ""
    notebook: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """How the program was called.

    Attributes:
        arguments: the interpreter as it was named, then its arguments.
        folder: the working folder, relative to the repository's root; empty is the root.
        environment: the variables that an allow-list let through.
        import_roots: folders in the repository that editable installs put on the import path.
    """

    arguments: tuple[str, ...] = ()
    folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    import_roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution.

    Attributes:
        tree_sha256: over the files it installed, as its ``RECORD`` names them; empty where it
            has none.
    """

    name: str
    version: str
    tree_sha256: str = ""


@dataclass(frozen=True, slots=True)
class CapturedEnvironment:
    """The interpreter and everything that was installed for it.

    Attributes:
        python: ``3.11.7``. implementation: ``cpython``. platform: ``linux-x86_64-glibc2.36``.
        lock_sha256: of the artifact `LOCK_PATH`: one ``name==version`` a line, with the hashes of
            its archives where a ``uv.lock`` names them.
        uv_lock_sha256: of the artifact `UV_LOCK_PATH`; empty where there is none.
        inexact: what is not pinned exactly, one sentence each.
    """

    python: str = ""
    implementation: str = ""
    platform: str = ""
    lock_sha256: str = ""
    uv_lock_sha256: str = ""
    packages: tuple[Package, ...] = ()
    inexact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that could not be recorded.

    Attributes:
        sentence: what, why, and where there is a way what to do.
        leg: the one of `LEGS` that is the weaker for it; empty where none is, and in what was
            written before legs were named.
    """

    sentence: str
    leg: str = ""

    def as_json(self) -> str | dict[str, str]:
        """Return it as JSON: without a leg the sentence alone, as it always was."""
        return {"leg": self.leg, "sentence": self.sentence} if self.leg else self.sentence


@dataclass(frozen=True, slots=True)
class LineageFile:
    """Everything that was recorded of one training.

    Attributes:
        captured_at: RFC 3339. kit: the version that recorded. mode: ``run`` where a command was
            run, ``script`` or ``notebook`` where the program recorded itself.
        seeds: what was seeded → the seed; empty is no seed.
        outputs: artifact of the run → SHA-256, as they were when the command had ended.
        faults: what could not be recorded.
    """

    captured_at: str
    kit: str
    mode: str
    code: Code = field(default_factory=Code)
    command: Command = field(default_factory=Command)
    seeds: Mapping[str, str] = field(default_factory=dict)
    environment: CapturedEnvironment = field(default_factory=CapturedEnvironment)
    datasets: tuple[DatasetReference, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """Return it as JSON. Law: ``read_mapping(file.as_mapping()) == file``."""
        return {
            "format": FORMAT,
            "captured_at": self.captured_at,
            "kit": self.kit,
            "mode": self.mode,
            "code": {
                "commit": self.code.commit,
                "remote": self.code.remote,
                "is_dirty": self.code.is_dirty,
                "diff_sha256": self.code.diff_sha256,
                "notebook": self.code.notebook,
            },
            "command": {
                "arguments": list(self.command.arguments),
                "folder": self.command.folder,
                "environment": dict(self.command.environment),
                "import_roots": list(self.command.import_roots),
            },
            "seeds": dict(self.seeds),
            "environment": {
                "python": self.environment.python,
                "implementation": self.environment.implementation,
                "platform": self.environment.platform,
                "lock_sha256": self.environment.lock_sha256,
                "uv_lock_sha256": self.environment.uv_lock_sha256,
                "packages": [
                    {"name": one.name, "version": one.version, "tree_sha256": one.tree_sha256}
                    for one in self.environment.packages
                ],
                "inexact": list(self.environment.inexact),
            },
            "datasets": [reference.as_mapping() for reference in self.datasets],
            "outputs": dict(self.outputs),
            "faults": [fault.as_json() for fault in self.faults],
        }

    def to_bytes(self) -> bytes:
        """Return the bytes that are written into the run."""
        return canonical_json(self.as_mapping())


def is_seed(name: str, value: str) -> bool:
    """Say whether something that is fitted was seeded by this."""
    return name != HASH_SEED and value.strip().lower() not in ("", "none", "null")


def parse_lineage_file(content: bytes) -> LineageFile:
    """Read a ``muniment/lineage.json``.

    Raises:
        LineageFileInvalid: more than `MAX_BYTES`, not strict JSON, or as `read_mapping`.
    """
    return read_mapping(
        parse_object(
            content, error=LineageFileInvalid, what="muniment/lineage.json", max_bytes=MAX_BYTES
        )
    )


def read_mapping(value: object) -> LineageFile:
    """Read the JSON of a lineage file.

    Raises:
        LineageFileInvalid: another format, or a member is missing, unknown or malformed; the
            message names it.
    """
    top = Members(value, error=LineageFileInvalid)
    if top.text("format") != FORMAT:
        raise LineageFileInvalid(f"$.format is not {FORMAT}", code="lineage_file.format")
    try:
        file = LineageFile(
            captured_at=top.text("captured_at"),
            kit=top.text("kit"),
            mode=top.text("mode"),
            code=_code(top.nested("code")),
            command=_command(top.nested("command")),
            seeds=top.pairs("seeds", at_most=100),
            environment=_environment(top.nested("environment")),
            datasets=top.each("datasets", DatasetReference.from_mapping, 1_000),
            outputs=top.pairs("outputs"),
            faults=top.each("faults", _fault, 1_000),
        )
    except ReferenceInvalid as error:
        raise LineageFileInvalid(error.message) from error
    top.end()
    return file


def _code(members: Members) -> Code:
    code = Code(
        commit=members.text("commit", default=""),
        remote=members.text("remote", default=""),
        is_dirty=members.flag("is_dirty"),
        diff_sha256=members.text("diff_sha256", default=""),
        notebook=members.text("notebook", default=""),
    )
    members.end()
    return code


def _command(members: Members) -> Command:
    command = Command(
        arguments=members.texts("arguments", at_most=1_000),
        folder=members.text("folder", default=""),
        environment=members.pairs("environment", at_most=200),
        import_roots=members.texts("import_roots", at_most=100),
    )
    members.end()
    return command


def _environment(members: Members) -> CapturedEnvironment:
    environment = CapturedEnvironment(
        python=members.text("python", default=""),
        implementation=members.text("implementation", default=""),
        platform=members.text("platform", default=""),
        lock_sha256=members.text("lock_sha256", default=""),
        uv_lock_sha256=members.text("uv_lock_sha256", default=""),
        packages=members.each("packages", _package, 5_000),
        inexact=members.texts("inexact", at_most=5_000),
    )
    members.end()
    return environment


def _fault(value: object, where: str) -> Fault:
    said = {"sentence": value} if isinstance(value, str) else value
    members = Members(said, error=LineageFileInvalid, where=where)
    fault = Fault(members.text("sentence"), members.text("leg", default=""))
    members.end()
    if fault.leg not in ("", *LEGS):
        raise LineageFileInvalid(f"{where}.leg must be one of {', '.join(LEGS)}")
    return fault


def _package(value: object, where: str) -> Package:
    members = Members(value, error=LineageFileInvalid, where=where)
    package = Package(
        name=members.text("name"),
        version=members.text("version"),
        tree_sha256=members.text("tree_sha256", default=""),
    )
    members.end()
    return package
