"""What a run says of its own making, read as it would be by somebody who does not trust it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.captured import KeptFile, capture_of, keep_file
from lineage.domain.grading import NOTEBOOK_ALONE, Origins, grade_legs
from lineage.domain.leg import LEG_NAMES, Grade, Leg
from lineage.domain.provenance import build_predicate, dependencies_of
from muniment.attest.digest import Digest
from muniment.attest.predicates import SLSA_PROVENANCE
from muniment.attest.statement import StreamPosition, Subject, build_statement
from muniment.datasets.reference import CHANGED_MEANWHILE, HASHED_AFTER, IN_STORE, DatasetReference
from muniment.lineage_file import (
    CapturedEnvironment,
    Code,
    Command,
    Fault,
    LineageFile,
    Package,
    read_mapping,
)
from tests.unit.lineage.lineage_samples import LOCK_SHA256, TAGS, lock, origins, run, snapshot
from tests.unit.lineage.test_provenance import LARGEST_STATEMENT

TRAINING = DatasetReference(
    *("training", "loans", "object", "s3://bucket/loans.csv", Digest("sha256", "d" * 64), 12),
    details={"version_id": "3HL4kqtJvjVBH40Nrjfkd"},
)
FILE = LineageFile(
    captured_at="2026-11-25T10:00:00Z",
    kit="0.1.0",
    mode="run",
    code=Code("1" * 40, "https://git.example.org/team/loans.git", is_dirty=False),
    command=Command(("python", "train.py", "--variant", "v2")),
    seeds={"PYTHONHASHSEED": "0", "--seed": "7"},
    environment=CapturedEnvironment(
        "3.11.7", "cpython", "linux-x86_64", LOCK_SHA256, "", (Package("numpy", "2.4.6"),)
    ),
    datasets=(TRAINING,),
)
WHOLE = {
    "code": Grade.RECORDED,
    "data": Grade.RECORDED,
    "environment": Grade.VERIFIED,
    "configuration": Grade.RECORDED,
}


def kept_origins(file: LineageFile, **changes: Any) -> Origins:
    return origins(kept=KeptFile(file, "e" * 64), **changes)


def legs(file: LineageFile, **changes: Any) -> dict[str, Leg]:
    return {leg.name: leg for leg in grade_legs(kept_origins(file, **changes))}


def grades(file: LineageFile, **changes: Any) -> dict[str, Grade]:
    return {name: leg.grade for name, leg in legs(file, **changes).items()}


def test_whole_file_is_graded_as_whole() -> None:
    assert grades(FILE) == WHOLE


@pytest.mark.parametrize("leg", LEG_NAMES)
def test_what_the_recorder_could_not_record_makes_its_leg_weak_and_no_other(leg: str) -> None:
    fault = Fault("The reason in the recorder's words.", leg)
    found = legs(replace(FILE, faults=(fault,)), reread={("training", "loans"): ""})
    assert (found[leg].grade, found[leg].reason) == (Grade.WEAK, fault.sentence)
    whole = legs(FILE, reread={("training", "loans"): ""})
    assert found[leg].digest == whole[leg].digest
    assert all(found[other] == whole[other] for other in LEG_NAMES if other != leg)


@pytest.mark.parametrize("seeds", [{}, {"PYTHONHASHSEED": "0"}, {"numpy": "None"}, {"--seed": ""}])
def test_seed_that_nobody_set_is_missing_and_the_reason_says_how_to(seeds: dict[str, str]) -> None:
    file = replace(FILE, seeds=seeds)
    leg = legs(file, run=run(tags={}, params={"C": "1.0"}))["configuration"]
    assert leg.grade is Grade.MISSING
    assert "no seed is recorded. Seed the training, and log the seed as" in leg.reason
    assert leg.what["entry_point"] == "train.py --variant v2"


def test_seed_without_a_parameter_is_weak() -> None:
    leg = legs(FILE, run=run(tags={}, params={}))["configuration"]
    assert (leg.grade, leg.what["seed"]) == (Grade.WEAK, "7")


def test_notebook_that_nothing_else_is_wrong_with_is_told_from_one_that_is() -> None:
    notebook = replace(FILE, mode="notebook")
    assert legs(notebook)["code"].reason == NOTEBOOK_ALONE
    fault = Fault("Nobody pushed the commit.", "code")
    for other in (
        replace(notebook, code=replace(FILE.code, is_dirty=True)),
        replace(notebook, code=replace(FILE.code, remote="")),
        replace(notebook, faults=(fault,)),
    ):
        leg = legs(other)["code"]
        assert (leg.grade, leg.reason == NOTEBOOK_ALONE) == (Grade.WEAK, False)


def test_fault_that_names_no_leg_leaves_the_grades_as_they_were() -> None:
    assert grades(replace(FILE, faults=(Fault("The outputs were not hashed."),))) == WHOLE


def test_fault_of_a_leg_that_is_missing_makes_it_no_better() -> None:
    file = replace(FILE, code=Code(), faults=(Fault("Git is not installed.", "code"),))
    leg = legs(file)["code"]
    assert leg.grade is Grade.MISSING
    assert leg.reason.endswith("Git is not installed.")


@pytest.mark.parametrize(
    ("changed", "leg", "said"),
    [
        (replace(FILE, code=replace(FILE.code, is_dirty=True)), "code", "changed after"),
        (replace(FILE, code=replace(FILE.code, is_dirty=None)), "code", "nothing says"),
        (replace(FILE, code=replace(FILE.code, remote="")), "code", "no remote"),
        (replace(FILE, mode="notebook"), "code", "interactive notebook"),
        (replace(FILE, command=Command()), "configuration", "no entry point"),
        (
            replace(FILE, environment=replace(FILE.environment, inexact=("pandas>=2",))),
            "environment",
            "pandas>=2",
        ),
        (
            replace(FILE, environment=replace(FILE.environment, python="")),
            "environment",
            "interpreter",
        ),
        (
            replace(FILE, environment=replace(FILE.environment, packages=())),
            "environment",
            "not name the same packages",
        ),
        (
            replace(FILE, environment=replace(FILE.environment, lock_sha256="9" * 64)),
            "environment",
            "digest differs",
        ),
        (
            replace(FILE, datasets=(replace(TRAINING, weak_reason="Anybody can overwrite it."),)),
            "data",
            "Anybody can overwrite it.",
        ),
        (
            replace(FILE, datasets=(replace(TRAINING, role="evaluation"),)),
            "data",
            "as the one that was trained on",
        ),
    ],
)
def test_one_fault_makes_one_leg_weak_and_is_said(
    changed: LineageFile, leg: str, said: str
) -> None:
    params = {"C": "1.0"}
    tags = {name: value for name, value in TAGS.items() if "lock" not in name}
    found = legs(changed, run=run(params=params, tags=tags))
    assert {name: one.grade for name, one in found.items()} == {**WHOLE, leg: Grade.WEAK}
    assert said in found[leg].reason


@pytest.mark.parametrize("commit", ["", "1" * 12, "main"])
def test_file_without_a_whole_commit_has_no_code(commit: str) -> None:
    changed = replace(FILE, code=replace(FILE.code, commit=commit))
    assert grades(changed)["code"] is Grade.MISSING


def test_bytes_that_were_read_again_are_verified_even_where_nothing_pins_them() -> None:
    loose = replace(FILE, datasets=(replace(TRAINING, weak_reason="Anybody can overwrite it."),))
    assert legs(loose, reread={("training", "loans"): ""})["data"].grade is Grade.VERIFIED
    other = legs(FILE, reread={("training", "loans"): "It has another digest."})["data"]
    assert other.grade is Grade.WEAK
    assert "another digest" in other.reason


@pytest.mark.parametrize("reason", [CHANGED_MEANWHILE, HASHED_AFTER])
def test_reading_again_says_nothing_of_bytes_that_may_not_be_those_used(reason: str) -> None:
    late = replace(FILE, datasets=(replace(TRAINING, weak_reason=reason),))
    leg = legs(late, reread={("training", "loans"): ""})["data"]
    assert leg.grade is Grade.WEAK
    assert reason in leg.reason


def test_admins_promise_pins_what_the_reference_does_not() -> None:
    loose = replace(FILE, datasets=(replace(TRAINING, weak_reason=IN_STORE),))
    pinned = frozenset({("training", "loans")})
    assert legs(loose, pinned=pinned)["data"].grade is Grade.RECORDED
    assert legs(loose, pinned=frozenset({("evaluation", "loans")}))["data"].grade is Grade.WEAK
    changed = legs(loose, pinned=pinned, reread={("training", "loans"): "Other bytes."})["data"]
    assert changed.grade is Grade.WEAK


def test_one_loose_data_set_among_several_makes_the_leg_weak() -> None:
    loose = replace(TRAINING, role="evaluation", name="held-out", weak_reason="It can change.")
    leg = legs(replace(FILE, datasets=(TRAINING, loose)))["data"]
    assert leg.grade is Grade.WEAK
    assert leg.reason == "held-out: It can change."
    assert leg.what["datasets"] == "training loans, evaluation held-out"


@pytest.mark.parametrize(
    ("tag", "value", "leg"),
    [
        ("mlflow.source.git.commit", "2" * 40, "code"),
        ("muniment.git.dirty", "true", "code"),
        ("muniment.environment.lock_sha256", "9" * 64, "environment"),
    ],
)
def test_tag_that_contradicts_the_file_makes_its_leg_weak(tag: str, value: str, leg: str) -> None:
    assert grades(FILE, run=run(tags={**TAGS, tag: value})) == {**WHOLE, leg: Grade.WEAK}


def tagged(content: bytes) -> Any:
    sha256 = hashlib.sha256(content).hexdigest()
    return run(tags={**TAGS, "muniment.lineage.sha256": sha256})


def test_file_counts_only_with_the_bytes_that_the_tag_names() -> None:
    content = FILE.to_bytes()
    assert keep_file(tagged(content), content) == KeptFile(
        FILE, hashlib.sha256(content).hexdigest()
    )
    other = keep_file(tagged(content), content.replace(b"v2", b"v3"))
    assert other.file is None
    assert "not the one that was recorded" in other.fault


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"{" * 100_000,
        json.dumps({**FILE.as_mapping(), "surprise": 1}).encode(),
        FILE.to_bytes().replace(b'"is_dirty":false', b'"is_dirty":"false"'),
        FILE.to_bytes().replace(b'"sha256:', b'"md5:'),
    ],
)
def test_malformed_file_is_a_fault_that_makes_every_leg_weak(content: bytes) -> None:
    kept = keep_file(tagged(content), content)
    assert kept.file is None
    found = grade_legs(origins(run=tagged(content), kept=kept))
    assert {leg.grade for leg in found} == {Grade.WEAK}
    assert all("malformed" in leg.reason for leg in found)


def test_credentials_in_a_file_are_not_kept() -> None:
    leaky = replace(
        FILE,
        code=replace(FILE.code, remote="https://me:s3cr3t@git.example.org/a.git"),
        datasets=(replace(TRAINING, uri="https://h/d?X-Amz-Signature=s3cr3t"),),
    )
    kept = keep_file(tagged(leaky.to_bytes()), leaky.to_bytes())
    assert kept.file is not None
    assert "s3cr3t" not in json.dumps(kept.file.as_mapping())


def test_run_without_a_file_can_be_repeated_from_its_tags() -> None:
    capture = capture_of(run(), None, lock())
    assert capture is not None
    assert capture.mode == "tags"
    assert capture.code == Code("1" * 40, "https://git.example.org/team/loans.git", is_dirty=False)
    assert capture.command.arguments == ("python", "train.py", "--variant", "v2")
    assert capture.environment.packages == (Package("numpy", "2.4.6"),)
    assert [one.digest.hex for one in capture.datasets] == ["d" * 64]
    assert capture.seeds == {"seed": "0"}
    assert read_mapping(capture.as_mapping()) == capture


@pytest.mark.parametrize(
    "tags",
    [
        {name: value for name, value in TAGS.items() if name != "mlflow.source.git.commit"},
        {name: value for name, value in TAGS.items() if name != "muniment.entry_point"},
        {**TAGS, "muniment.entry_point": "train.py 'unclosed"},
    ],
)
def test_run_that_tells_too_little_cannot_be_repeated(tags: dict[str, str]) -> None:
    assert capture_of(run(tags=tags), None, lock()) is None


def test_statement_names_every_data_set_by_role_and_the_file_by_digest() -> None:
    evaluation = replace(
        TRAINING, role="evaluation", name="held-out", digest=Digest("dirHash", "f" * 64)
    )
    file = replace(FILE, datasets=(TRAINING, evaluation))
    found = statement(file)["buildDefinition"]
    assert found["internalParameters"]["muniment_lineage_file"] == {"sha256": "e" * 64}
    assert found["externalParameters"]["seeds"] == {
        "seed": "0",
        "--seed": "7",
        "PYTHONHASHSEED": "0",
    }
    assert found["externalParameters"]["entry_point"] == "train.py --variant v2"
    assert [(one["name"], *one["digest"]) for one in found["resolvedDependencies"]] == [
        ("code", "gitCommit"),
        ("data: loans", "sha256"),
        ("evaluation data: held-out", "dirHash"),
        ("environment lock", "sha256"),
    ]
    assert found["resolvedDependencies"][-1]["uri"].endswith("/muniment/requirements.lock.txt")


@pytest.mark.parametrize("filler", ["x", "é", "\N{PILE OF POO}", "\x01", '"'])
def test_whatever_a_file_says_fits_into_a_leaf(filler: str) -> None:
    long, name = filler * 4_000, filler * 190
    huge = replace(
        FILE,
        code=Code("1" * 40, f"https://h/{long}", is_dirty=False),
        command=Command((long,) * 1_000),
        seeds={f"{filler}{n}{long[:3_000]}": long for n in range(100)},
        environment=replace(FILE.environment, python=long, inexact=(long,) * 5_000),
        datasets=tuple(
            replace(TRAINING, name=f"{n}{name}", uri=long, weak_reason=filler * 600)
            for n in range(1_000)
        ),
    )
    predicate = statement(huge)
    version = snapshot()
    content = build_statement(
        subjects=[Subject(version.version_uri, Digest("dirHash", "0" * 64))],
        predicate_type=SLSA_PROVENANCE,
        predicate=predicate,
        position=StreamPosition(version.stream, 0, None),
    )
    assert len(content) <= LARGEST_STATEMENT
    names = [one["name"] for one in predicate["buildDefinition"]["resolvedDependencies"]]
    assert names == ["code", "data: 1000 data sets", "environment lock"]


def statement(file: LineageFile) -> dict[str, Any]:
    graded = kept_origins(file)
    assert graded.run is not None
    return build_predicate(
        snapshot=snapshot(),
        run=graded.run,
        legs=grade_legs(graded),
        dependencies=dependencies_of(graded.run, graded.lock, file),
        artifacts={"files": 5, "bytes": 9177},
        kept=graded.kept,
    )


def _without_seed(file: LineageFile) -> LineageFile:
    return replace(file, seeds={})


TAKEN = {
    "commit": lambda file: replace(file, code=replace(file.code, commit="")),
    "remote": lambda file: replace(file, code=replace(file.code, remote="")),
    "dirty": lambda file: replace(file, code=replace(file.code, is_dirty=None)),
    "seeds": _without_seed,
    "arguments": lambda file: replace(file, command=Command()),
    "python": lambda file: replace(file, environment=replace(file.environment, python="")),
    "packages": lambda file: replace(file, environment=replace(file.environment, packages=())),
    "lock_sha256": lambda file: replace(
        file, environment=replace(file.environment, lock_sha256="")
    ),
    "training": lambda file: replace(
        file, datasets=tuple(one for one in file.datasets if one.role != "training")
    ),
}


@given(
    taken=st.sampled_from([*TAKEN, "lock", "reread", "params", "tags", "datasets", "bytes"]),
    dirty=st.sampled_from([True, False, None]),
    mode=st.sampled_from(["run", "script", "notebook"]),
    has_seed=st.booleans(),
    inexact=st.booleans(),
    loose=st.booleans(),
    has_evaluation=st.booleans(),
    reread=st.sampled_from(["", "It has another digest.", None]),
    faulty=st.sampled_from(["", *LEG_NAMES]),
)
def test_taking_something_away_from_a_file_never_raises_a_grade(
    taken: str,
    dirty: bool | None,
    mode: str,
    has_seed: bool,
    inexact: bool,
    loose: bool,
    has_evaluation: bool,
    reread: str | None,
    faulty: str,
) -> None:
    training = replace(TRAINING, weak_reason="It can change." if loose else "")
    evaluation = (replace(TRAINING, role="evaluation", name="other"),) if has_evaluation else ()
    file = replace(
        FILE,
        mode=mode,
        code=replace(FILE.code, is_dirty=dirty),
        seeds=FILE.seeds if has_seed else {},
        environment=replace(FILE.environment, inexact=("pandas>=2",) if inexact else ()),
        datasets=(training, *evaluation),
        faults=(Fault("It could not be recorded.", faulty),),
    )
    known = {} if reread is None else {("training", "loans"): reread}
    bare = run(tags={}, params={"C": "1.0"})
    before = kept_origins(file, run=bare, reread=known)
    after = {
        "lock": lambda: replace(before, lock=None, lock_fault="It is not there."),
        "reread": lambda: (
            replace(before, reread={}) if reread != "It has another digest." else before
        ),
        "params": lambda: replace(before, run=replace(bare, params={})),
        "tags": lambda: replace(before, run=replace(bare, tags={})),
        "datasets": lambda: replace(before, run=replace(bare, datasets=())),
        # The file as a whole: its tag stays behind and says that there was one.
        "bytes": lambda: replace(before, kept=KeptFile(fault="It cannot be read.")),
    }.get(taken, lambda: replace(before, kept=KeptFile(TAKEN[taken](file), "e" * 64)))()
    for left, right in zip(grade_legs(before), grade_legs(after), strict=True):
        assert right.grade.rank <= left.grade.rank, (left, right)


def test_reason_that_the_file_leaves_out_is_found_unless_the_place_is_immutable() -> None:
    lying = replace(TRAINING, details={})
    file = replace(FILE, datasets=(lying,))
    assert "may be replaced" in legs(file)["data"].reason
    assert grades(file)["data"] is Grade.WEAK
    promised = frozenset({("training", "loans")})
    assert grades(file, pinned=promised)["data"] is Grade.RECORDED
    changed = {("training", "loans"): "its bytes are others."}
    assert grades(file, pinned=promised, reread=changed)["data"] is Grade.WEAK
