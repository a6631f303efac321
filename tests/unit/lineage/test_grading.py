from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.grading import grade_legs
from lineage.domain.leg import LEG_NAMES, Grade, Leg
from lineage.domain.link import Link, LinkKind
from lineage.domain.rows import DatasetInput
from tests.unit.lineage.lineage_samples import TAGS, lock, origins, run, without


def legs(**changes: Any) -> dict[str, Leg]:
    return {leg.name: leg for leg in grade_legs(origins(**changes))}


def test_whole_record_is_verified_only_where_bytes_were_recomputed() -> None:
    found = legs()
    assert tuple(found) == LEG_NAMES
    assert {name: leg.grade for name, leg in found.items()} == {
        "code": Grade.RECORDED,
        "data": Grade.RECORDED,
        "environment": Grade.VERIFIED,
        "configuration": Grade.RECORDED,
    }
    assert found["code"].digest == f"gitCommit:{'1' * 40}"
    assert found["data"].digest == f"sha256:{'d' * 64}"
    assert found["environment"].digest == f"sha256:{'c' * 64}"


@pytest.mark.parametrize(
    ("tags", "grade", "said"),
    [
        (without("mlflow.source.git.commit"), Grade.MISSING, "names no commit"),
        ({**TAGS, "mlflow.source.git.commit": "1" * 12}, Grade.MISSING, "not a whole commit id"),
        ({**TAGS, "mlflow.source.git.commit": "G" * 40}, Grade.MISSING, "not a whole commit id"),
        ({**TAGS, "muniment.git.dirty": "true"}, Grade.WEAK, "changed after the commit"),
        ({**TAGS, "muniment.git.dirty": "perhaps"}, Grade.WEAK, "changed after the commit"),
        (without("muniment.git.dirty"), Grade.WEAK, "nothing says whether"),
        (without("mlflow.source.git.repoURL"), Grade.WEAK, "no remote"),
    ],
)
def test_code_leg_says_what_is_wrong(tags: dict[str, str], grade: Grade, said: str) -> None:
    leg = legs(run=run(tags=tags))["code"]
    assert leg.grade is grade
    assert said in leg.reason


@pytest.mark.parametrize(
    ("tags", "datasets", "grade", "said"),
    [
        (
            without("muniment.dataset.sha256"),
            (DatasetInput("loans", "6cc41624"),),
            Grade.WEAK,
            "32 bits",
        ),
        (
            {**TAGS, "muniment.dataset.sha256": "abc"},
            (DatasetInput("loans", "6cc41624"),),
            Grade.WEAK,
            "32 bits",
        ),
        ({**TAGS, "muniment.dataset.sha256": "abc"}, (), Grade.MISSING, "no SHA-256"),
        (without("muniment.dataset.sha256"), (), Grade.MISSING, "no dataset"),
        (without("muniment.dataset.uri"), (), Grade.RECORDED, "not recorded"),
    ],
)
def test_data_leg_takes_only_a_whole_digest(
    tags: dict[str, str], datasets: tuple[DatasetInput, ...], grade: Grade, said: str
) -> None:
    leg = legs(run=run(tags=tags, datasets=datasets))["data"]
    assert leg.grade is grade
    assert said in leg.reason
    assert (leg.digest is not None) is (grade is Grade.RECORDED)


@pytest.mark.parametrize(
    ("changes", "grade", "said"),
    [
        ({"lock": lock(sha256="e" * 64)}, Grade.WEAK, "digest differs"),
        ({"lock": lock("numpy>=2\npandas==3.1.1\n")}, Grade.WEAK, "'numpy>=2'"),
        ({"lock": lock("")}, Grade.WEAK, "is empty"),
        (
            {"lock": None, "lock_fault": "The artifact is not there."},
            Grade.WEAK,
            "cannot be read. The artifact is not there.",
        ),
        (
            {"run": run(tags=without("muniment.environment.lock_sha256"))},
            Grade.WEAK,
            "not recorded when the run trained",
        ),
        (
            {"run": run(tags=without("muniment.environment.lock_sha256")), "lock": None},
            Grade.WEAK,
            "MLflow inferred",
        ),
        (
            {
                "run": run(tags=without("muniment.environment.lock_sha256")),
                "lock": None,
                "has_requirements": False,
            },
            Grade.MISSING,
            "no environment",
        ),
    ],
)
def test_environment_leg_is_verified_by_nothing_less(
    changes: dict[str, Any], grade: Grade, said: str
) -> None:
    leg = legs(**changes)["environment"]
    assert leg.grade is grade
    assert said in leg.reason


@pytest.mark.parametrize(
    ("params", "tags", "grade", "said"),
    [
        ({"C": "1.0"}, TAGS, Grade.MISSING, "no seed"),
        ({"seed": " None ", "C": "1.0"}, TAGS, Grade.MISSING, "no seed"),
        ({}, TAGS, Grade.MISSING, "no seed is recorded and no parameter is recorded"),
        ({"seed": "0"}, without("muniment.entry_point"), Grade.WEAK, "no entry point"),
    ],
)
def test_configuration_leg_is_missing_without_a_seed_and_weak_without_an_entry_point(
    params: dict[str, str], tags: dict[str, str], grade: Grade, said: str
) -> None:
    leg = legs(run=run(params=params, tags=tags))["configuration"]
    assert leg.grade is grade
    assert said in leg.reason


@pytest.mark.parametrize("kind", [LinkKind.NONE, LinkKind.CLAIMED])
def test_what_a_run_says_does_not_count_for_a_version_it_is_not_tied_to(kind: LinkKind) -> None:
    for leg in legs(link=Link(kind, "The tie is only claimed.")).values():
        assert leg.grade is Grade.MISSING
        assert leg.reason == "The tie is only claimed."


def test_version_in_its_runs_folder_is_at_most_weak() -> None:
    reason = "Nothing but the folder ties them."
    for leg in legs(link=Link(LinkKind.IN_RUN_FOLDER, reason)).values():
        assert leg.grade is Grade.WEAK
        assert reason in leg.reason


def test_deleted_run_is_at_most_weak() -> None:
    for leg in legs(run=run(lifecycle_stage="deleted")).values():
        assert leg.grade is Grade.WEAK
        assert "deleted" in leg.reason


def test_version_without_its_files_has_no_lineage() -> None:
    for leg in legs(artifact_fault="MLflow has no file there.").values():
        assert leg.grade is Grade.MISSING
        assert "MLflow has no file there." in leg.reason


@given(
    kept=st.sets(st.sampled_from(sorted(TAGS))),
    dirty=st.sampled_from(["true", "false"]),
    taken=st.sampled_from(
        [*sorted(TAGS), "run", "lock", "requirements", "datasets", "params", "seed", "artifacts"]
    ),
    inexact=st.booleans(),
    other_lock=st.booleans(),
    has_datasets=st.booleans(),
    kind=st.sampled_from(list(LinkKind)),
)
def test_taking_something_away_never_raises_a_grade(
    kept: set[str],
    dirty: str,
    taken: str,
    inexact: bool,
    other_lock: bool,
    has_datasets: bool,
    kind: LinkKind,
) -> None:
    tags = {**TAGS, "muniment.git.dirty": dirty}
    before = origins(
        run=run(
            tags={name: tags[name] for name in kept},
            datasets=(DatasetInput("loans", "6cc41624"),) if has_datasets else (),
        ),
        link=Link(kind, "A reason."),
        lock=lock("numpy\n" if inexact else "numpy==2.4.6\n", "e" * 64 if other_lock else "c" * 64),
    )
    was = before.run
    assert was is not None
    after = {
        "run": lambda: replace(before, run=None),
        "lock": lambda: replace(before, lock=None, lock_fault="It is not there."),
        "requirements": lambda: replace(before, has_requirements=False),
        "datasets": lambda: replace(before, run=replace(was, datasets=())),
        "params": lambda: replace(before, run=replace(was, params={})),
        "seed": lambda: replace(before, run=replace(was, params={"C": "1.0"})),
        "artifacts": lambda: replace(before, artifact_fault="Gone."),
    }.get(
        taken,
        lambda: replace(
            before,
            run=replace(was, tags={k: v for k, v in was.tags.items() if k != taken}),
        ),
    )()
    for left, right in zip(grade_legs(before), grade_legs(after), strict=True):
        assert right.grade.rank <= left.grade.rank, (left, right)
