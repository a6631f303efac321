"""docs/signing.md names every refusal of a passkey, and its recipe is the one that holds."""

from __future__ import annotations

import hashlib
import inspect
import json
import re

from muniment.attest import passkey
from muniment.attest.digest import Digest
from muniment.attest.passkey import challenge_of
from muniment.attest.statement import Subject
from muniment.verify import passkeys
from tests.unit.docs.pages import DOCS, read

PAGE = read(DOCS / "signing.md")
# Of shapes that no signer makes, and of an enrolment that contradicts itself.
MALFORMED = {"passkey.shape", "passkey.key", "passkey.enrolment", "passkey.invalid"}


def test_every_refusal_is_explained() -> None:
    source = inspect.getsource(passkey) + inspect.getsource(passkeys)
    codes = set(re.findall(r'"(passkey\.[a-z_]+)"', source))
    codes |= {f"passkey.{name}" for name in re.findall(r'_wrong\([^)]*?"([a-z_]+)",?\s*\)', source)}
    explained = set(re.findall(r"`(passkey\.[a-z_]+)`", PAGE))
    assert len(explained) > 8
    assert explained == codes - MALFORMED


def test_the_challenge_is_what_the_page_says_by_other_code() -> None:
    predicate = {"verdict": "approve", "role": "reviewer", "reason_commitment": None}
    placed = {"stream": "muniment://a", "stream_seq": 7, "previous": None, "passkey": {"a": "b"}}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "muniment://a", "digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://muniment.dev/approval/v1",
        "predicate": predicate,
    }
    written = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    subject = Subject("muniment://a", Digest("sha256", "ab" * 32))
    found = challenge_of([subject], str(statement["predicateType"]), predicate | placed)
    assert found == hashlib.sha256(written.encode()).digest()
