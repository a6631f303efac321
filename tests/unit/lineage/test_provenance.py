from __future__ import annotations

import json
from typing import Any

import pytest

from lineage.domain.grading import Origins, grade_legs
from lineage.domain.link import Link, LinkKind
from lineage.domain.provenance import (
    BUILD_TYPE,
    MAX_PARAMETER_BYTES,
    build_predicate,
    dependencies_of,
)
from lineage.domain.rows import DatasetInput, Run
from muniment.attest.digest import Digest
from muniment.attest.predicates import SLSA_PROVENANCE
from muniment.attest.statement import StreamPosition, Subject, build_statement, parse_statement
from tests.unit.lineage.lineage_samples import TAGS, lock, origins, run, snapshot

# 65,535 bytes of leaf, less the signature and its names, less a third for base64.
LARGEST_STATEMENT = (65_535 - 1_000) * 3 // 4


def predicate(found: Run | None, graded: Origins) -> dict[str, Any]:
    return build_predicate(
        snapshot=snapshot(),
        run=found,
        legs=grade_legs(graded),
        dependencies=() if found is None else dependencies_of(found, graded.lock),
        artifacts={"files": 5, "bytes": 9177},
    )


def statement(found: Run | None, graded: Origins) -> bytes:
    version = snapshot()
    return build_statement(
        subjects=[Subject(version.version_uri, Digest("dirHash", "0" * 64))],
        predicate_type=SLSA_PROVENANCE,
        predicate=predicate(found, graded),
        position=StreamPosition(version.stream, 0, None),
    )


def test_predicate_is_slsa_provenance_with_every_dependency() -> None:
    whole = predicate(run(), origins())
    definition = whole["buildDefinition"]
    assert definition["buildType"] == BUILD_TYPE
    assert definition["externalParameters"] == {
        "parameters": {"seed": "0", "C": "1.0"},
        "seeds": {"seed": "0"},
        "entry_point": "train.py --variant v2",
    }
    assert [item["digest"] for item in definition["resolvedDependencies"]] == [
        {"gitCommit": "1" * 40},
        {"sha256": "d" * 64},
        {"sha256": "c" * 64},
    ]
    assert whole["runDetails"]["metadata"] == {
        "invocationId": "5" * 32,
        "startedOn": "2026-11-23T14:54:19.328000Z",
        "finishedOn": "2026-11-23T14:54:20.008000Z",
    }
    legs = definition["internalParameters"]["muniment_legs"]
    assert legs["environment"]["grade"] == "verified"
    assert legs["code"]["reason"]


def test_statement_is_accepted_by_the_kit_and_reads_back() -> None:
    parsed = parse_statement(statement(run(), origins()))
    assert parsed.position == StreamPosition(snapshot().stream, 0, None)
    assert parsed.predicate["buildDefinition"]["buildType"] == BUILD_TYPE


def test_version_without_run_has_a_statement_too() -> None:
    graded = origins(run=None, lock=None, link=Link(LinkKind.NONE, "The version names no run."))
    parsed = parse_statement(statement(None, graded))
    definition = parsed.predicate["buildDefinition"]
    assert definition["resolvedDependencies"] == []
    assert definition["internalParameters"]["muniment_legs"]["data"]["grade"] == "missing"


def test_same_inputs_give_the_same_bytes() -> None:
    assert statement(run(), origins()) == statement(run(), origins())


@pytest.mark.parametrize("filler", ["x", "é", "\N{PILE OF POO}", "\x01", '"'])
def test_whatever_a_run_says_fits_into_a_leaf(filler: str) -> None:
    long = filler * 8_000
    huge = run(
        params={"seed": long, "random_state": long, **{f"p{n}": long for n in range(50)}},
        tags={
            **TAGS,
            **{name: f"https://h/{long}" for name in TAGS if "sha256" not in name},
            "mlflow.source.git.commit": "1" * 40,
        },
        artifact_uri=f"mlflow-artifacts:/{long}",
        datasets=(DatasetInput(long, long),),
    )
    graded = origins(run=huge, lock=lock(f"{filler * 3_000}\n" * 50))
    content = statement(huge, graded)
    assert len(content) <= LARGEST_STATEMENT
    said = json.loads(content)["predicate"]["buildDefinition"]["externalParameters"]
    assert said["parameters_count"] == 52
    assert len(said["parameters_sha256"]) == 64


def test_parameters_at_the_limit_are_said_in_full() -> None:
    text = "x" * (MAX_PARAMETER_BYTES - len('{"p":""}'))
    said = predicate(run(params={"p": text}), origins())["buildDefinition"]["externalParameters"]
    assert said["parameters"] == {"p": text}
    longer = predicate(run(params={"p": text + "x"}), origins())["buildDefinition"]
    assert longer["externalParameters"]["parameters"] == {}


def test_credentials_in_tags_do_not_reach_the_statement() -> None:
    leaky = run(
        tags={
            **TAGS,
            "mlflow.source.git.repoURL": "https://ghp_s3cr3t@example.org/a.git",
            "muniment.dataset.uri": "https://u:s3cr3t@example.org/d.csv?X-Amz-Signature=s3cr3t",
        }
    )
    assert b"s3cr3t" not in statement(leaky, origins(run=leaky))
