"""The predicate types Muniment writes, each with its JSON Schema.

What we write is validated strictly: an unknown key is impossible. What we read is held to the
same schema with unknown keys allowed, so that a later kit's additions do not break this one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from muniment.attest.errors import StatementError

SLSA_PROVENANCE: Final = "https://slsa.dev/provenance/v1"
REGISTRY_EVENT: Final = "https://muniment.dev/registry-event/v1"
EVIDENCE: Final = "https://muniment.dev/evidence/v1"
POLICY: Final = "https://muniment.dev/policy/v1"
PROMOTION: Final = "https://muniment.dev/promotion/v1"
APPROVAL: Final = "https://muniment.dev/approval/v1"
REPORT: Final = "https://muniment.dev/report/v1"
KEY: Final = "https://muniment.dev/key/v1"
VERIFICATION_SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
# The one event that each of SLSA's types stands for: SLSA has no field for it.
SLSA_EVENTS: Final[Mapping[str, str]] = {
    SLSA_PROVENANCE: "lineage.recorded",
    VERIFICATION_SUMMARY: "certificate.issued",
}
# The member of a verification summary that is ours; SLSA asks for a URI as its name.
CERTIFICATE: Final = "https://muniment.dev/certificate/v1"

_FILES: Final[Mapping[str, str]] = {
    SLSA_PROVENANCE: "slsa-provenance-v1.json",
    REGISTRY_EVENT: "registry-event-v1.json",
    EVIDENCE: "evidence-v1.json",
    POLICY: "policy-v1.json",
    PROMOTION: "promotion-v1.json",
    APPROVAL: "approval-v1.json",
    REPORT: "report-v1.json",
    KEY: "key-v1.json",
    VERIFICATION_SUMMARY: "verification-summary-v1.json",
}
PREDICATE_TYPES: Final = tuple(_FILES)


def schema_for(predicate_type: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12, self-contained) of a predicate as we write it.

    Raises:
        StatementError: not one of ``PREDICATE_TYPES``.
    """
    return copy.deepcopy(_schema(predicate_type))


def require_predicate(predicate_type: str, predicate: Mapping[str, object]) -> None:
    """Accept only a predicate that we may write.

    Raises:
        StatementError: an unknown type, or a predicate its schema refuses; the message holds
            the path.
    """
    _require(predicate_type, predicate, strict=True)


def require_readable(predicate_type: str, predicate: Mapping[str, object]) -> None:
    """Accept only a predicate whose known keys have the shape of its type.

    Raises:
        StatementError: as ``require_predicate``, except for unknown keys.
    """
    _require(predicate_type, predicate, strict=False)


def _require(predicate_type: str, predicate: Mapping[str, object], *, strict: bool) -> None:
    from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

    error = best_match(_validator(predicate_type, strict).iter_errors(dict(predicate)))
    if error is not None:
        name = predicate_type.rsplit("/", 2)[-2]
        path = error.json_path.replace("$", name, 1)
        raise StatementError(f"{path}: {error.message[:300]}", code="statement.predicate")


@cache
def _schema(predicate_type: str) -> dict[str, Any]:
    file_name = _FILES.get(predicate_type)
    if file_name is None:
        raise StatementError(
            f"unknown predicate type {predicate_type[:200]!r}", code="statement.predicate_type"
        )
    schema = _load(file_name)
    schema["$defs"] = _load("common.json")["$defs"]
    return schema


@cache
def _validator(predicate_type: str, strict: bool) -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schema = schema_for(predicate_type)
    whole = _without_references(schema, schema.pop("$defs"))
    return Draft202012Validator(whole if strict else _with_unknown_keys(whole))


def _without_references(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Write every definition where it is referred to: resolving them took most of the time."""
    if isinstance(schema, dict):
        own = {
            key: _without_references(value, definitions)
            for key, value in schema.items()
            if key != "$ref"
        }
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            return {**_without_references(definitions[name], definitions), **own}
        return own
    if isinstance(schema, list):
        return [_without_references(item, definitions) for item in schema]
    return schema


def _with_unknown_keys(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _with_unknown_keys(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False)
        }
    if isinstance(schema, list):
        return [_with_unknown_keys(item) for item in schema]
    return schema


def _load(file_name: str) -> dict[str, Any]:
    text = resources.files(__name__).joinpath(file_name).read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
