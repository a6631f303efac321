"""What an auditor brings along, and what it opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.attest.errors import NoteError
from muniment.attest.note import NoteSigner
from muniment.verify import LogQuestion, LogTrust
from muniment.verify.whole_log import OTHER_VIEWS, verify_log
from tests.unit.attest.test_note import COSIGNER, LOG, STRANGER, WITNESS
from tests.unit.verify.log_folder import checkpoint, write_log
from tests.unit.verify.world import failures

NEWER = NoteSigner(LOG.name, STRANGER.private_key)
ENTRIES = [b"a", b"b", b"c"]


def test_any_of_the_logs_keys_is_enough() -> None:
    trust = LogTrust.of_keys([LOG.vkey, NEWER.vkey, LOG.vkey])
    assert trust.vkeys == (LOG.vkey, NEWER.vkey)
    for signer in (LOG, NEWER):
        note = checkpoint(ENTRIES, signer)
        assert trust.open_checkpoint(note)[0] == trust.open_earlier(note)
    with pytest.raises(NoteError):
        LogTrust.of_keys([LOG.vkey]).open_checkpoint(checkpoint(ENTRIES, NEWER))


@pytest.mark.parametrize(
    "vkeys",
    [[], ["nonsense"], [COSIGNER.vkey], [LOG.vkey, COSIGNER.vkey], [LOG.vkey, WITNESS.vkey]],
    ids=["none", "nonsense", "a witness's", "and a witness's", "two logs"],
)
def test_what_are_no_keys_of_one_log_is_refused(vkeys: list[str]) -> None:
    with pytest.raises(NoteError):
        LogTrust.of_keys(vkeys)


@pytest.mark.parametrize("content", [b"", b"quorum none\n", b"log x\nquorum none\n", b"\xff"])
def test_a_policy_without_a_log_or_a_rule_is_refused(content: bytes) -> None:
    with pytest.raises(NoteError):
        LogTrust.of_policy(content)


def test_a_policy_demands_its_quorum_of_the_head_and_not_of_earlier_checkpoints(
    tmp_path: Path,
) -> None:
    policy = f"log {LOG.vkey}\nwitness w1 {COSIGNER.vkey}\nquorum w1\n".encode()
    trust = LogTrust.of_policy(policy)
    plain = write_log(tmp_path / "plain", ENTRIES, LOG, earlier=[1, 2])
    question = LogQuestion(str(plain), hashes_only=True)
    assert failures(verify_log(question, trust)) == {"log.head": "policy.quorum_not_reached"}
    seen = write_log(tmp_path / "seen", ENTRIES, LOG, earlier=[1, 2], witnesses=[COSIGNER])
    found = verify_log(LogQuestion(str(seen), hashes_only=True), trust)
    assert found.holds
    # Whoever is asked for witnesses is not shown another history in private.
    assert OTHER_VIEWS not in found.limits
    assert OTHER_VIEWS in verify_log(question, LogTrust.of_keys([LOG.vkey])).limits
    nobody = LogTrust.of_policy(f"log {LOG.vkey}\nquorum none\n".encode())
    assert OTHER_VIEWS in verify_log(question, nobody).limits
