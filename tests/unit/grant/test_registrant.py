"""The seal on who registered a version: nobody makes it without the secret."""

from __future__ import annotations

import pytest

from muniment.registrant import find_registrant, seal_registrant

PLACE = {"secret": "s", "registry": "main", "model": "m", "location": "s3://b/m"}


def test_only_the_account_that_was_authenticated_fits_its_seal() -> None:
    sealed = seal_registrant("ada", **PLACE)
    assert find_registrant(sealed, ("bob", "ada"), **PLACE) == "ada"
    assert find_registrant(sealed, ("bob", "Ada", "ada "), **PLACE) is None


@pytest.mark.parametrize("part", sorted(PLACE))
def test_a_seal_is_of_no_use_elsewhere(part: str) -> None:
    sealed = seal_registrant("ada", **PLACE)
    assert find_registrant(sealed, ("ada",), **(PLACE | {part: "other"})) is None


@pytest.mark.parametrize("sealed", [None, "", "ada", "0" * 64, "ä"])
def test_what_a_client_writes_is_nobody(sealed: str | None) -> None:
    assert find_registrant(sealed, ("", "ada"), **PLACE) is None


def test_nobody_signed_in_or_no_secret_seals_nothing() -> None:
    assert seal_registrant("", **PLACE) is None
    assert seal_registrant("ada", **(PLACE | {"secret": ""})) is None
    assert find_registrant("0" * 64, ("ada",), **(PLACE | {"secret": ""})) is None
