from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.artifact_names import (
    UnsafeName,
    logged_model_id,
    proxy_path,
    quote_path,
    require_name,
    require_path,
)

HOSTS = frozenset({"mlflow.example.org", "mlflow.example.org:443"})


@pytest.mark.parametrize(
    "name",
    ["MLmodel", "model.pkl", "with space", "größe.txt", "50%.csv", "a#b?c&d=e", ".hidden", "..."],
)
def test_ordinary_names_are_asked_for(name: str) -> None:
    assert require_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "/etc",
        "a\\b",
        "a\nb",
        "a\rb",
        "a\0b",
        "%2e%2e",
        "%252e%252e",
        "a%2fb",
        "a%252Fb",
        "%00",
        "a%0ab",
        "%5c",
        "x" * 251,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName):
        require_name(name)


@given(st.text(max_size=30))
def test_accepted_name_stays_one_name_however_often_it_is_decoded(name: str) -> None:
    try:
        require_name(name)
    except UnsafeName:
        return
    once, twice = unquote(name), unquote(unquote(name))
    for seen in (name, once, twice):
        assert "/" not in seen
        assert "\\" not in seen
        assert seen not in ("", ".", "..")


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3))
def test_quoted_path_gives_the_same_names_back(names: list[str]) -> None:
    quoted = quote_path(tuple(names))
    assert [unquote(part) for part in quoted.split("/")] == names
    assert not set("?#;\\ ") & set(quoted)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b"])
def test_paths_that_are_not_plainly_relative_are_refused(path: str) -> None:
    with pytest.raises(UnsafeName):
        require_path(path)


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("mlflow-artifacts:/1/abc/artifacts", ("1", "abc", "artifacts")),
        ("mlflow-artifacts:/", ()),
        ("mlflow-artifacts://mlflow.example.org/1/abc", ("1", "abc")),
        ("mlflow-artifacts://MLFLOW.example.org:443/1", ("1",)),
    ],
)
def test_place_behind_the_proxy_is_its_path(uri: str, names: tuple[str, ...]) -> None:
    assert proxy_path(uri, server_hosts=HOSTS) == names


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/key",
        "file:///etc/passwd",
        "/etc/passwd",
        "http://169.254.169.254/latest",
        "mlflow-artifacts://evil.example.org/1",
        "mlflow-artifacts://mlflow.example.org:5000/1",
        "mlflow-artifacts://user@mlflow.example.org/1",
        "mlflow-artifacts:/1/../2",
        "mlflow-artifacts:/1/%2e%2e/2",
        "mlflow-artifacts:/1?x=y",
        "mlflow-artifacts:/1#x",
        "mlflow-artifacts://[broken/1",
        "",
    ],
)
def test_other_places_are_not_opened(uri: str) -> None:
    with pytest.raises(UnsafeName):
        proxy_path(uri, server_hosts=HOSTS)


@pytest.mark.parametrize(
    ("source", "model_id"),
    [
        (f"models:/m-{'0' * 32}", f"m-{'0' * 32}"),
        (f"models:/m-{'0' * 32}\n", None),
        (f"models:/m-{'0' * 32}/x", None),
        (f"models:/m-{'0' * 31}", None),
        ("models:/loans/3", None),
        ("models:/loans@champion", None),
    ],
)
def test_only_an_exact_source_names_a_logged_model(source: str, model_id: str | None) -> None:
    assert logged_model_id(source) == model_id
