"""Read the gate on reported evidence, with its schema; faults are noted in the section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any, Final

from registry.domain.json_schema import MAX_SCHEMA_VALUES, metaschema_fault, schema_faults
from registry.domain.policy_finding_readers import read_evidence_name
from registry.domain.policy_findings import ReportedBound, ReportedEvidenceGate
from registry.domain.policy_section import Section
from registry.domain.policy_yaml import Plain

_POINTER: Final = re.compile(r"(/([^~/]|~[01]){1,100}){1,10}")
_FURTHEST: Final = Fraction(10**12)


def read_reported_gate(section: Section, shared: dict[str, Any]) -> ReportedEvidenceGate:
    """Read the type of the evidence, the JSON Schema that it fits, and bounds on numbers in it."""
    gate = ReportedEvidenceGate(
        **shared,
        type=read_evidence_name(section, "type"),
        schema=_schema(section),
        compare=tuple(_bound(one) for one in section.sections("compare", required=False)),
    )
    for index, bound in enumerate(gate.compare):
        if bound.path and any(bound.path == other.path for other in gate.compare[:index]):
            section.note(f"compare[{index}].path", "duplicate", bound.path[:80], "each path once")
    return gate


def _schema(section: Section) -> dict[str, Any]:
    section.section("schema")
    schema = section.plain("schema")
    if not isinstance(schema, dict):
        return {}
    if not schema:
        section.note("schema", "empty", "an empty schema", "a schema that asks for something")
    noted = len(section.problems)
    values = list(_values(schema, "schema"))
    if len(values) > MAX_SCHEMA_VALUES:
        section.note("schema", "too_large", f"{len(values)} values", f"at most {MAX_SCHEMA_VALUES}")
        return {}
    for path, value in values:
        if isinstance(value, date):
            section.note(path, "type", f"the date {value}", "quotes around it")
    for path, expected in schema_faults(schema, "schema"):
        section.note(path, "schema", "it is no part of a schema that can be judged by", expected)
    fault = None if len(section.problems) > noted else metaschema_fault(schema)
    if fault is not None:
        path = f"schema.{fault[0]}" if fault[0] else "schema"
        section.note(path, "schema", fault[1], "a schema of JSON Schema draft 2020-12")
    return schema


def _values(value: Plain, path: str) -> Iterator[tuple[str, Plain]]:
    yield path, value
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _values(one, f"{path}.{name}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _values(one, f"{path}[{index}]")


def _bound(section: Section) -> ReportedBound:
    path = section.text("path")
    if path and not _POINTER.fullmatch(path):
        section.note("path", "type", repr(path[:80]), "a JSON pointer such as /robustness/drop")
    if not section.has("at_least") and not section.has("at_most"):
        section.note("at_most", "missing_key", "there is no bound", "at_least, at_most or both")
    at_least, at_most = (
        section.exact(key, least=Fraction(0), most=_FURTHEST) if section.has(key) else None
        for key in ("at_least", "at_most")
    )
    if at_least is not None and at_most is not None and at_least > at_most:
        section.note("at_most", "conflict", "it is under at_least", "at least at_least")
    bound = ReportedBound(path=path, unit=section.text("unit"), at_least=at_least, at_most=at_most)
    section.close()
    return bound
