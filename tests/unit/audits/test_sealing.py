"""A secret for one reader: nobody else opens it, and nothing of it can be changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.sealing import NotForThisReader, OneReader, seal_for

READER = OneReader()


@given(content=st.binary(max_size=300))
def test_the_reader_opens_what_was_sealed_for_them_and_nobody_else_does(content: bytes) -> None:
    sealed = seal_for(READER.address, content)
    assert READER.open(sealed) == content
    assert seal_for(READER.address, content) != sealed
    with pytest.raises(NotForThisReader):
        OneReader().open(sealed)


@given(data=st.data())
def test_what_was_changed_or_cut_is_not_opened(data: st.DataObject) -> None:
    sealed = seal_for(READER.address, b"a grant")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytes([sealed[at] ^ (1 << data.draw(st.integers(0, 6)))])
    for wrong in (sealed[:at] + changed + sealed[at + 1 :], sealed[:at]):
        with pytest.raises(NotForThisReader):
            READER.open(wrong)


@pytest.mark.parametrize("address", ["", "zz", "00" * 31, "00" * 32])
def test_nobody_lives_at_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|32 bytes|shared key"):
        seal_for(address, b"a grant")
