"""Places below the artifacts destination: every spelling of one is one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.mlflow.destination import (
    Destination,
    Owner,
    WriteOnceFiles,
    is_specific,
    path_parts,
    run_path,
)

RUN = "9d2f63f0a7a14d0c8b1f4d1f4b3a2c1e"

PATHS = st.lists(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/%"), min_size=1).filter(
        lambda part: part not in {".", ".."}
    ),
    min_size=1,
    max_size=5,
)


@given(PATHS, st.integers(0, 4))
def test_a_path_is_the_same_place_however_often_it_was_encoded(
    parts: list[str], times: int
) -> None:
    spelled = "/".join(parts)
    for _ in range(times):
        spelled = quote(spelled, safe="")
    assert path_parts(spelled) == tuple(parts)


@given(st.text())
def test_parts_are_what_their_own_path_has(path: str) -> None:
    parts = path_parts(path)
    assert path_parts("/".join(parts)) == parts
    assert not {"", ".", ".."} & set(parts)


def test_dots_and_slashes_change_no_place() -> None:
    for spelled in ("a//b", "/a/b/", "a/./b", "a/x/../b", "../a/b", "a/x%2f..%2fb", "%61%2Fb"):
        assert path_parts(spelled) == ("a", "b")


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/1/run",
        "mlflow-artifacts://mlflow.bank.example:5000/1/run",
        "MLFLOW-ARTIFACTS:/1/%72un",
        "http://mlflow:5000/api/2.0/mlflow-artifacts/artifacts/1/run",
        "https://mlflow/prefix/ajax-api/2.0/mlflow-artifacts/artifacts/1/run/",
        "s3://models/prefix/1/run",
        "S3://models//prefix/./1/run",
    ],
)
def test_every_kind_of_address_leads_to_the_place(uri: str) -> None:
    assert Destination.from_uri("s3://models/prefix").locate(uri) == ("1", "run")


@pytest.mark.parametrize(
    "uri",
    ["s3://other/prefix/1/run", "s3://models/pre/1", "s3://models", "gs://models/prefix/1/run",
     "http://mlflow/health", "models:/m-1", "dummy-source", "/prefix/1/run"],
)  # fmt: skip
def test_what_lies_elsewhere_has_no_place(uri: str) -> None:
    assert Destination.from_uri("s3://models/prefix").locate(uri) is None


@given(st.text(), st.sampled_from(["", "runs:/", "s3://", "http://", "file:", "mlflow-artifacts:"]))
@example("[", "http://")
@example("\0", "file:")
@example("\0", "")
def test_no_source_that_somebody_registered_stops_the_guard(text: str, scheme: str) -> None:
    Destination.from_uri("file:///srv/artifacts").locate(scheme + text)
    run_path(scheme + text)


def test_a_runs_address_names_a_run_and_a_path() -> None:
    assert run_path(f"runs:/{RUN}/model/deep") == (RUN, ("model", "deep"))
    assert run_path(f"RUNS:/{RUN}") == (RUN, ())
    for other in ("runs:", "runs:/", f"models:/{RUN}", RUN, "runs://[", "runs:/a%00b/model"):
        assert run_path(other) is None


def test_a_local_folder_is_the_same_by_path_by_uri_and_by_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "artifacts")
    for uri in (f"file://{tmp_path}/artifacts", f"{tmp_path}/artifacts", f"{tmp_path}/link"):
        destination = Destination.from_uri(uri)
        for source in (f"{tmp_path}/artifacts/1/run", f"file://{tmp_path}/link/1/r%75n"):
            assert destination.locate(source) == ("1", "run")
        assert destination.locate(f"{tmp_path}/elsewhere/1/run") is None


def test_only_a_folder_of_its_own_is_specific() -> None:
    for shared in ("", "1", "1/models", "team/exp"):
        assert not is_specific(path_parts(shared))
    for own in (f"{RUN}/artifacts", f"1/models/m-{RUN}", "1/models/m-x", "a/b/c"):
        assert is_specific(path_parts(own))


def test_a_version_owns_its_folder_and_forbids_removing_those_above() -> None:
    assert str(Owner("m", 1)) == "version 1 of model 'm'"
    files = WriteOnceFiles({("1", "run", "model"): (mine := Owner("m", 1))})
    assert files.owner_of(("1", "run", "model")) == mine
    assert files.owner_of(("1", "run", "model", "deep", "x")) == mine
    for free in ((), ("1",), ("1", "run"), ("1", "run", "model2"), ("1", "run", "other", "model")):
        assert files.owner_of(free) is None
    for above in ((), ("1",), ("1", "run"), ("1", "run", "model"), ("1", "run", "model", "x")):
        assert files.owner_within(above) == mine
    assert files.owner_within(("1", "other")) is None
