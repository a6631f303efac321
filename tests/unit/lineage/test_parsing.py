from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.errors import MlflowGarbage
from lineage.mlflow import parsing

VERSION = {
    "name": "loans",
    "version": "3",
    "creation_timestamp": 1795445664740,
    "last_updated_timestamp": 1795445664740,
    "current_stage": "None",
    "source": f"models:/m-{'a' * 32}",
    "run_id": "b" * 32,
    "status": "READY",
    "tags": [{"key": "team", "value": "risk"}],
}
MODEL = {
    "name": "loans",
    "creation_timestamp": 1795445595597,
    "last_updated_timestamp": "1795445664740",
    "latest_versions": [VERSION],
    "aliases": [{"alias": "champion", "version": "3"}],
}
RUN = {"run": {"info": {"run_id": "b" * 32, "artifact_uri": "mlflow-artifacts:/1/b/artifacts"}}}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "version",
                    "run",
                    "info",
                    "data",
                    "inputs",
                    "model",
                    "files",
                    "tags",
                    "key",
                    "value",
                    "aliases",
                    "alias",
                    "creation_timestamp",
                    "metrics",
                    "params",
                    "run_id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_version_row_is_read() -> None:
    row = parsing.model_version(VERSION)
    assert (row.name, row.version, row.tags) == ("loans", 3, {"team": "risk"})


def test_registered_model_row_is_read_with_aliases_and_latest_version() -> None:
    row = parsing.registered_model(MODEL)
    assert row.aliases == {"champion": 3}
    assert row.latest_version == 3
    assert row.last_updated_timestamp == 1795445664740


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": None},
        {"name": 5},
        {"version": None},
        {"version": "three"},
        {"version": "-1"},
        {"version": True},
        {"version": 3.5},
        {"version": "²"},
        {"version": 2**31},
        {"creation_timestamp": None},
        {"creation_timestamp": -1},
        {"creation_timestamp": 10**15},
        {"tags": {"team": "risk"}},
        {"tags": ["team"]},
        {"tags": [{"value": "risk"}]},
        {"run_id": ["x"]},
    ],
)
def test_malformed_row_is_garbage_and_not_guessed_at(change: dict[str, Any]) -> None:
    with pytest.raises(MlflowGarbage):
        parsing.model_version({**VERSION, **change})


@given(
    st.sampled_from(
        [
            parsing.registered_model,
            parsing.model_version,
            parsing.run,
            parsing.logged_model,
            parsing.artifact_entries,
            parsing.webhook,
        ]
    ),
    st.dictionaries(st.sampled_from(["name", "version", "run", "model", "files"]), JSON),
)
def test_whatever_json_comes_is_a_value_or_garbage(
    parse: Callable[[dict[str, Any]], object], answer: dict[str, Any]
) -> None:
    try:
        parse(answer)
    except MlflowGarbage:
        return


def test_text_that_cannot_be_stored_is_replaced() -> None:
    row = parsing.model_version({**VERSION, "description": "a\0b\ud800c"})
    assert row.description == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    json.dumps(row.description).encode()


@pytest.mark.parametrize(
    ("said", "value"),
    [
        (0.5, 0.5),
        (1, 1.0),
        ("NaN", None),
        (float("nan"), None),
        (float("inf"), None),
        ("-Infinity", None),
        (10**400, None),
    ],
)
def test_metric_without_a_finite_value_is_none(said: object, value: float | None) -> None:
    answer = {"run": {**RUN["run"], "data": {"metrics": [{"key": "auc", "value": said}]}}}
    assert parsing.run(answer).metrics == {"auc": value}


@pytest.mark.parametrize("absurd", [-5, 10**18, "yesterday"])
def test_absurd_time_of_a_run_is_no_time(absurd: object) -> None:
    answer = {"run": {"info": {**RUN["run"]["info"], "start_time": absurd}}}
    assert parsing.run(answer).start_time is None
