"""The artifact graph: which artifacts a lineage record ties together, and what is looked for in it.

An artifact is a node by its key, a digest wherever there is one, so that the same bytes are the
same node whoever names them. What people call it stands on the edge, for it is the record's claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lineage.domain.redaction import bounded
from muniment.attest.digest import HEX_LENGTHS, Digest, canonical_json
from muniment.attest.errors import DigestError
from muniment.lineage_file import LineageFile, read_mapping

# Of a run: what it was tuned from, several apart by spaces.
BASE_MODEL_TAG: Final = "muniment.base_model"
MAX_KEY: Final = 700
MAX_NAME: Final = 200
# A run may write any number of files; more than these do not become nodes.
MAX_OUTPUTS: Final = 500
MAX_BASE_MODELS: Final = 10
_HEX = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_PACKAGE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*==\s*(\S{1,200})", re.ASCII)
_NAMED = re.compile(r"models:/(?P<name>.+)/(?P<version>[1-9][0-9]{0,8})", re.ASCII | re.DOTALL)


class Role(StrEnum):
    """What an artifact is to a training: what went in, and what came out of it."""

    TRAINING = "training"
    VALIDATION = "validation"
    EVALUATION = "evaluation"
    CODE = "code"
    ENVIRONMENT = "environment"
    BASE_MODEL = "base_model"
    MODEL = "model"
    OUTPUT = "output"


DATA_ROLES: Final = (Role.TRAINING, Role.VALIDATION, Role.EVALUATION)
OUTPUTS: Final = (Role.MODEL, Role.OUTPUT)
INPUTS: Final = tuple(role for role in Role if role not in OUTPUTS)


@dataclass(frozen=True, slots=True)
class Edge:
    """One artifact that a record names.

    Attributes:
        key: of the node.
        name: what the record calls it; empty where the key says all.
    """

    role: Role
    key: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class RecordEdges:
    """All that one lineage record ties together.

    Attributes:
        edges: at most one of a role and key.
        packages: keys of what the environment holds; a property of the environment's own node.
    """

    edges: tuple[Edge, ...]
    packages: tuple[str, ...] = ()


def edges_of(
    *,
    version_uri: str,
    model_name: str,
    subject_digest: str,
    has_artifacts: bool,
    facts: Mapping[str, Any],
) -> RecordEdges:
    """Return what a lineage record ties together, from its own facts alone.

    A version makes two nodes: its artifact tree, and its name, so that a model tuned from it is
    found whichever of the two its run gave, and whichever was recorded first.

    Args:
        model_name: the registered model's.
        facts: of the record, as `CollectedLineage` says.
    """
    capture = None if not facts.get("capture") else read_mapping(facts["capture"])
    source, number = _address(version_uri)
    environment, packages = _environment(facts, capture)
    named = named_key(model_name, number, source)
    edges = [
        *_code(facts),
        *_datasets(facts, capture),
        *environment,
        *_base_models(facts, source),
        *([Edge(Role.MODEL, subject_digest)] if has_artifacts else []),
        *([Edge(Role.MODEL, named)] if len(named) <= MAX_KEY else []),
        *_outputs(capture),
    ]
    return RecordEdges(tuple({(edge.role, edge.key): edge for edge in edges}.values()), packages)


def named_key(model_name: str, number: int | str, source: str) -> str:
    """Return the key of a version by its name: every registry source has its own names."""
    return f"models:/{model_name}/{number}?source={source}"


def package_key(name: str, version: str) -> str:
    """Return the key of a package, its name as PEP 503 writes it."""
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def base_models_in(tag: str) -> tuple[str, ...]:
    """Read the tag of a run that was tuned from other models: digests or ``models:/name/version``.

    What names no exact version (an alias, ``latest``) is left out: it can mean another tomorrow.
    """
    return tuple(
        said for said in tag.split()[:MAX_BASE_MODELS] if is_digest(said) or _NAMED.fullmatch(said)
    )


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody looks for in the graph.

    Attributes:
        keys: any of these exactly.
        prefixes: or what begins with one of these.
    """

    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = field(default=())


class NotSought(ValueError):
    """What was typed names no artifact; the message says how to write one."""


def parse_sought(text: str) -> Sought:
    """Read what somebody typed or pasted.

    Raises:
        NotSought: neither a digest, 7 or more digits of a commit, ``name==version`` nor
            ``models:/name/version``.
    """
    text = text.strip()
    lowered = text.lower()
    if package := _PACKAGE.fullmatch(text):
        return Sought(keys=(package_key(package[1], package[2]),))
    if named := _NAMED.fullmatch(text):
        return Sought(prefixes=(named_key(named["name"], named["version"], ""),))
    if text.startswith("models:/") and "?source=" in text:
        return Sought(keys=(text[:MAX_KEY],))
    if _HEX.fullmatch(lowered):
        if len(lowered) == 64:
            return Sought(keys=tuple(f"{one}:{lowered}" for one in HEX_LENGTHS))
        return Sought(prefixes=(f"gitCommit:{lowered}",))
    algorithm, colon, digits = text.partition(":")
    if algorithm == "gitCommit" and _HEX.fullmatch(digits.lower()):
        return Sought(prefixes=(f"gitCommit:{digits.lower()}",))
    if colon and is_digest(f"{algorithm}:{digits.lower()}"):
        return Sought(keys=(f"{algorithm}:{digits.lower()}",))
    raise NotSought(
        "That names no artifact. Paste a digest (sha256:… or dirHash:…, 64 digits), at least 7 "
        "digits of a commit, a package as name==version, or models:/name/version."
    )


def kind_of(key: str, roles: Sequence[str] = ()) -> str:
    """Name what a node is, for people: by its key where that says it, else by its roles."""
    if key.startswith("gitCommit:"):
        return "commit"
    if key.startswith("models:/"):
        return "model"
    if "==" in key:
        return "package"
    for role, kind in (
        (Role.MODEL, "model"),
        (Role.BASE_MODEL, "model"),
        (Role.ENVIRONMENT, "environment"),
        (Role.OUTPUT, "file"),
    ):
        if role in roles and not set(roles) & set(DATA_ROLES):
            return kind
    return "dataset"


def is_digest(text: str) -> bool:
    """Say whether a key is a digest, and not a name."""
    try:
        Digest.parse(text)
    except DigestError:
        return False
    return True


def _address(version_uri: str) -> tuple[str, str]:
    """Return the registry source and the number that a version URI holds."""
    return unquote(urlsplit(version_uri).netloc), version_uri.rpartition("/")[2]


def _code(facts: Mapping[str, Any]) -> list[Edge]:
    commit = facts.get("commit")
    return [Edge(Role.CODE, f"gitCommit:{commit}", _name(facts.get("remote")))] if commit else []


def _datasets(facts: Mapping[str, Any], capture: LineageFile | None) -> list[Edge]:
    if capture is not None and capture.datasets:
        return [Edge(Role(one.role), str(one.digest), _name(one.name)) for one in capture.datasets]
    dataset = facts.get("dataset") or {}
    if not dataset.get("sha256"):
        return []
    return [Edge(Role.TRAINING, f"sha256:{dataset['sha256']}", _name(dataset.get("name")))]


def _environment(
    facts: Mapping[str, Any], capture: LineageFile | None
) -> tuple[list[Edge], tuple[str, ...]]:
    locks = [
        item["digest"]
        for item in facts.get("dependencies") or ()
        if item.get("name") == "environment lock"
    ]
    packages = dict(facts.get("packages") or {})
    if not locks and capture is not None and capture.environment.packages:
        # Nobody read the lock, so what the run says is in it may not become a property of the
        # digest that it claims.
        packages = {one.name: one.version for one in capture.environment.packages}
        locks = [str(Digest.of_bytes(canonical_json({"packages": packages})))]
    if not locks:
        return [], ()
    keys = {package_key(name, version) for name, version in packages.items()}
    count = f"{len(keys)} package{'' if len(keys) == 1 else 's'}"
    fitting = tuple(sorted(key for key in keys if len(key) <= MAX_KEY))
    return [Edge(Role.ENVIRONMENT, str(locks[0]), count)], fitting


def _base_models(facts: Mapping[str, Any], source: str) -> list[Edge]:
    found = []
    for said in facts.get("base_models") or ():
        named = _NAMED.fullmatch(said)
        key = named_key(named["name"], named["version"], source) if named else said
        if len(key) <= MAX_KEY:
            found.append(Edge(Role.BASE_MODEL, key, _name(said) if named else ""))
    return found


def _outputs(capture: LineageFile | None) -> list[Edge]:
    if capture is None:
        return []
    written = sorted(capture.outputs.items())[:MAX_OUTPUTS]
    return [
        Edge(Role.OUTPUT, f"sha256:{sha256}", _name(path))
        for path, sha256 in written
        if is_digest(f"sha256:{sha256}")
    ]


def _name(said: object) -> str:
    return bounded(str(said), MAX_NAME) if said else ""
