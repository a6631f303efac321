"""Addresses of data sets: one spelling each, and no tricks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.datasets import Access, AllowedPlace, DatasetRefused, parse_location

SAME = [
    ("/srv/data/", "file:///srv/data"),
    ("file:/srv/data", "file:///srv/data"),
    ("file://localhost/srv/data", "file:///srv/data"),
    ("file:///srv/a%20b", "file:///srv/a%20b"),
    ("/srv/a b/100%", "file:///srv/a%20b/100%25"),
    ("/", "file:///"),
    ("S3A://loans/a%2e", "s3://loans/a%2e"),
    ("gcs://loans", "gs://loans/"),
    ("HTTPS://Data.Example.:443/X", "https://data.example:443/X"),
    ("https://[::1]/x", "https://[::1]/x"),
]
REFUSED = [
    "", "data.csv", "./data.csv", "file:data.csv", "file://host/x", "//host/x", "\\\\host\\x",
    "/srv/../etc", "/srv/./x", "/srv//x", "file:///srv/%2e%2e/etc/passwd", "file:///srv/%2E%2E/x",
    "file:///srv/..%2fetc", "file:///srv/%00", "/srv/a\nb", " /srv", "/srv ", "/srv\0",
    "s3://", "s3:loans/x", "s3://key:secret@loans/x", "s3://loans/../other", "s3://loans//x",
    "https://user@host/x", "https://host/%2e%2e/x", "https://host/a%2Fb", "https://host/a%5cb",
    "https://host/x?token=1", "https://host/x#y", "https://host:port/", "https:///x",
    "https://ho\u0455t/x", "memory://x", "ftp://host/x", "local:///etc/passwd",
    "simplecache::s3://x/y", "zip://x::file:///etc/passwd", "data:,x", "x" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize(("given", "spelled"), SAME)
def test_an_address_has_one_spelling(given: str, spelled: str) -> None:
    assert str(parse_location(given)) == spelled
    assert parse_location(spelled) == parse_location(given)


@pytest.mark.parametrize("uri", REFUSED)
def test_what_could_mean_another_place_is_refused(uri: str) -> None:
    with pytest.raises(DatasetRefused) as refused:
        parse_location(uri)
    assert refused.value.code in ("dataset.address", "dataset.scheme")
    assert "secret" not in refused.value.message


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\"), min_size=1))
def test_a_path_is_read_back_from_its_address(path: str) -> None:
    try:
        location = parse_location(f"/{path}")
    except DatasetRefused:
        return
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    ("prefix", "uri", "is_allowed"),
    [
        ("/srv/data", "/srv/data", True),
        ("/srv/data", "file:///srv/data/a/b", True),
        ("/srv/data", "/srv/data-of-others/a", False),
        ("/srv/data", "/srv", False),
        ("/srv/data", "s3://srv/data/x", False),
        ("s3://loans/2026", "s3://loans/2026/x", True),
        ("s3://loans/2026", "s3://loans/20261", False),
        ("s3://loans", "s3://loans-of-others/x", False),
        ("https://data.example/x", "https://data.example/x/y", True),
        ("https://data.example/x", "http://data.example/x/y", False),
        ("https://data.example", "https://data.example.evil/x", False),
        ("https://data.example", "https://data.example:8443/x", False),
    ],
)
def test_a_place_allows_what_lies_in_it(prefix: str, uri: str, is_allowed: bool) -> None:
    access = Access((AllowedPlace("gs://another"), AllowedPlace(prefix, is_immutable=True)))
    assert access.pins(uri) is is_allowed
    if not is_allowed:
        with pytest.raises(DatasetRefused, match="no place that an admin allowed") as refused:
            access.place_of(parse_location(uri))
        assert refused.value.code == "dataset.not_allowed"


def test_the_innermost_place_decides() -> None:
    inner, outer = AllowedPlace("s3://loans/a/b", is_immutable=True), AllowedPlace("s3://loans/a")
    access = Access((outer, inner))
    assert access.place_of(parse_location("s3://loans/a/b/c")) is inner
    assert access.place_of(parse_location("s3://loans/a/bc")) is outer


def test_a_credential_is_read_from_the_variable_that_holds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = AllowedPlace("https://loans", credentials={"token": "LOANS_KEY"})
    with pytest.raises(DatasetRefused, match="LOANS_KEY, which this process was not given"):
        place.credential_values()
    monkeypatch.setenv("LOANS_KEY", "hunter2")
    assert place.credential_values() == {"token": "hunter2"}
    assert "hunter2" not in repr(place)
