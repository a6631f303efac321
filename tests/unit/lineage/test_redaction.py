from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.redaction import bounded, without_credentials


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("https://ghp_s3cr3t@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://me:s3cr3t@example.org:8443/a", "https://example.org:8443/a"),
        ("ssh://git:s3cr3t@example.org/a.git", "ssh://git@example.org/a.git"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("s3://bucket/key?versionId=3HL4", "s3://bucket/key?versionId=3HL4"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=s3cr3t&versionId=3HL4",
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=redacted&versionId=3HL4",
        ),
        (
            "https://a.blob.core.windows.net/c?sv=1&sig=s3cr3t",
            "https://a.blob.core.windows.net/c?sv=1&sig=redacted",
        ),
        ("file:///data/loans.csv", "file:///data/loans.csv"),
        ("/srv/git/loans.git", "/srv/git/loans.git"),
        ("http://[s3cr3t", ""),
    ],
)
def test_credentials_are_left_out_and_the_rest_is_kept(uri: str, kept: str) -> None:
    assert without_credentials(uri) == kept


@given(st.text(alphabet=st.characters(), max_size=2000), st.integers(200, 500))
def test_bounded_text_fits_as_json(text: str, limit: int) -> None:
    found = bounded(text, limit)
    written = json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert len(written) - 2 <= limit
    original = json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert (found == text) is (len(original) - 2 <= limit)


@given(st.text(min_size=400, max_size=500), st.text(min_size=400, max_size=500))
def test_different_long_texts_stay_different(left: str, right: str) -> None:
    assert (bounded(left, 200) == bounded(right, 200)) is (left == right)
