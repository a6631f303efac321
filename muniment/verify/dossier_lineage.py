"""The lineage that the pages show against the newest provenance statement of the version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from muniment.attest.digest import canonical_json
from muniment.attest.predicates import SLSA_PROVENANCE
from muniment.verify.dossier_entry import find_entry
from muniment.verify.evidence_view import legs_of
from muniment.verify.record import Record
from muniment.verify.shown import (
    differs,
    object_in,
    objects_in,
    read_object,
    read_objects,
    require_same,
    require_same_digest,
)


def require_lineage(shown: object, record: Record) -> list[str]:
    """Accept only the newest lineage, leg by leg; return what it shows that is not stated.

    Raises:
        ReportError: another statement's, another grade, reason, dependency, parameter, run or
            commit, a leg or dependency added or left out, or no lineage where one is stated.
    """
    newest = record.lineage_of(record.version_uri)
    if shown is None:
        if newest is not None:
            raise differs("lineage", f"the pages leave out the lineage at leaf {newest.leaf_index}")
        return []
    lineage = read_object(shown, "lineage")
    entry = find_entry("dossier.lineage", lineage, record, SLSA_PROVENANCE)
    if newest is None or entry is not newest:
        raise differs(
            "lineage", f"leaf {entry.leaf_index} is not the newest lineage of this version"
        )
    subject = record.digest_of(newest, record.version_uri)
    require_same_digest("dossier.lineage.subject_digest", lineage.get("subject_digest"), subject)
    predicate = newest.statement.predicate
    stated = object_in(predicate, "buildDefinition", "internalParameters")
    _legs(lineage, legs_of(newest))
    _dependencies(lineage, object_in(predicate, "buildDefinition"))
    _parameters(lineage, object_in(predicate, "buildDefinition", "externalParameters"))
    files = object_in(stated, "muniment_artifacts").get("files") or None
    require_same("dossier.lineage.artifact_files", lineage.get("artifact_files"), files)
    require_same(
        "dossier.lineage.artifact_tree_digest",
        lineage.get("artifact_tree_digest"),
        subject if files else None,
    )
    run_id = object_in(stated, "muniment_version").get("run_id") or None
    require_same("dossier.lineage.run_id", lineage.get("run_id"), run_id)
    return _commit(lineage, object_in(predicate, "buildDefinition"))


def _legs(lineage: Mapping[str, Any], signed: Mapping[str, Any]) -> None:
    shown = read_objects(lineage, "legs")
    names = [leg.get("name") for leg in shown]
    for name in signed:
        if name not in names:
            raise differs("lineage.legs", f"the pages leave out the leg {name[:80]}")
    if len(names) != len(signed):
        raise differs("lineage.legs", "a leg stands there that the statement does not grade")
    for leg in shown:
        for part in ("grade", "reason"):
            require_same(
                f"dossier.lineage.legs.{str(leg.get('name'))[:80]}.{part}",
                leg.get(part),
                object_in(signed, str(leg.get("name"))).get(part),
            )


def _dependencies(lineage: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    shown = [
        {name: item.get(name) for name in ("name", "digest", "uri")}
        for item in read_objects(lineage, "dependencies")
    ]
    signed = [
        {
            "name": item.get("name"),
            "digest": _textual(object_in(item, "digest")),
            "uri": item.get("uri") or None,
        }
        for item in objects_in(definition, "resolvedDependencies")
    ]
    require_same("dossier.lineage.dependencies", shown, signed)


def _parameters(lineage: Mapping[str, Any], external: Mapping[str, Any]) -> None:
    shown = read_object(lineage.get("parameters"), "lineage.parameters")
    if "parameters_sha256" in external:
        digest = hashlib.sha256(canonical_json(shown)).hexdigest()
        require_same(
            "dossier.lineage.parameters: SHA-256", digest, external.get("parameters_sha256")
        )
    else:
        require_same("dossier.lineage.parameters", shown, object_in(external, "parameters"))
    require_same(
        "dossier.lineage.entry_point", lineage.get("entry_point"), external.get("entry_point")
    )
    seeds = list(read_object(lineage.get("seeds"), "lineage.seeds").values())
    signed = list(object_in(external, "seeds").values())
    # One of them is shown.
    if bool(seeds) != bool(signed) or any(seed not in signed for seed in seeds):
        raise differs("lineage.seeds", "not those that were signed")


def _commit(lineage: Mapping[str, Any], definition: Mapping[str, Any]) -> list[str]:
    commits = [
        (object_in(item, "digest")["gitCommit"], item.get("uri") or None)
        for item in objects_in(definition, "resolvedDependencies")
        if "gitCommit" in object_in(item, "digest")
    ]
    commit, remote = commits[0] if commits else (None, None)
    require_same("dossier.lineage.commit", lineage.get("commit"), commit)
    if commit is None and lineage.get("remote") is not None:
        return ["Whether the code's remote is the one shown: without a commit, none is stated."]
    require_same("dossier.lineage.remote", lineage.get("remote"), remote)
    return []


def _textual(digest: Mapping[str, Any]) -> str | None:
    return next((f"{name}:{value}" for name, value in digest.items()), None)
