"""Which remotes are fetched from, by what an admin allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.remotes import RemoteRefused, allowed_remote, parse_remote

ALLOWED = ("https://git.example.org/credit/", "ssh://git@git.example.org:2222/credit", "/srv/git")


@pytest.mark.parametrize(
    ("recorded", "fetched"),
    [
        ("https://git.example.org/credit/loans.git", "https://git.example.org/credit/loans.git"),
        ("https://GIT.example.org/credit/loans/", "https://git.example.org/credit/loans"),
        ("https://git.example.org/credit", "https://git.example.org/credit"),
        # A record never holds a user, so that it is the allowed place that names one.
        (
            "ssh://git.example.org:2222/credit/loans.git",
            "ssh://git@git.example.org:2222/credit/loans.git",
        ),
        ("/srv/git/loans.git", "file:///srv/git/loans.git"),
        ("file:///srv/git/a b", None),
    ],
)
def test_a_remote_in_an_allowed_place_is_fetched_from(recorded: str, fetched: str | None) -> None:
    if fetched is None:
        with pytest.raises(RemoteRefused):
            allowed_remote(recorded, ALLOWED)
    else:
        assert str(allowed_remote(recorded, ALLOWED)) == fetched


def test_the_short_form_of_ssh_is_the_same_address() -> None:
    allowed = ("ssh://git@git.example.org/credit/",)
    assert (
        str(allowed_remote("git@git.example.org:credit/loans.git", allowed))
        == "ssh://git@git.example.org/credit/loans.git"
    )


@pytest.mark.parametrize(
    "recorded",
    [
        *(
            "https://git.example.org/credit2/x",
            "https://git.example.org/",
            "https://git.example.org",
        ),
        *("https://git.example.org.evil.org/credit/x", "https://git.example.org:8443/credit/x"),
        *("https://git.example.org/credit/../other/x", "https://git.example.org/credit/./x"),
        *("https://git.example.org/credit/%2e%2e/x", "https://git.example.org/credit//x"),
        *("https://git.example.org/credit/x?y", "https://git.example.org/credit/x#y"),
        *("https://git.example.org/credit/x?", "https://git.example.org/credit/-x"),
        *(
            "https://git.example.org\\@evil.org/credit/x",
            "https://evil.org@git.example.org/credit/x",
        ),
        *("https://u:p@git.example.org/credit/x", "http://git.example.org/credit/x"),
        *(
            "git://git.example.org/credit/x",
            "ext::sh -c id",
            "fd::17",
            "/srv/gitx",
            "/srv/git/../x",
        ),
        *("file://evil.org/srv/git/x", "srv/git/x", "-oProxyCommand=id", "", "::", "a:"),
        *("ssh://-oProxyCommand=id/credit/x", "ssh://root@git.example.org:2222/credit/x"),
        *("ssh://-l@git.example.org:2222/credit/x", "https://[::1/credit", "https://git\n/credit"),
        "/srv/git/x\0y",
    ],
)
def test_any_other_remote_is_refused(recorded: str) -> None:
    with pytest.raises(RemoteRefused):
        allowed_remote(recorded, ALLOWED)


def test_nothing_is_allowed_where_nobody_allowed_anything() -> None:
    with pytest.raises(RemoteRefused, match="no place of code that an admin allowed"):
        allowed_remote("/srv/git/x", ())


@given(st.text(st.sampled_from("htps:/@.-gita%2\\ []#?~\t"), max_size=40))
def test_whatever_is_accepted_has_one_spelling_and_lies_where_it_is_allowed(text: str) -> None:
    try:
        remote = allowed_remote(text, ("https://g/a", "ssh://git@g/a", "/a"))
    except RemoteRefused:
        return
    assert parse_remote(str(remote)) == remote
    assert remote.path == "/a" or remote.path.startswith("/a/")
    assert remote.host in ("g", "")
