"""What an auditor brings along: the log's verifier keys, or a policy. Never read from what is
verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from muniment.attest.checkpoint import Checkpoint, verify_checkpoint
from muniment.attest.errors import NoteError
from muniment.attest.log_policy import LogPolicy
from muniment.attest.note import ED25519_TYPE, parse_note, parse_vkey


@dataclass(frozen=True, slots=True)
class LogTrust:
    """Which checkpoints count.

    Attributes:
        vkeys: all keys of one log, of which one is enough; with a policy, those of its logs.
        policy: also demands the witness quorum; None without.
    """

    vkeys: tuple[str, ...]
    policy: LogPolicy | None = None

    @classmethod
    def of_keys(cls, vkeys: Sequence[str]) -> Self:
        """Trust the keys of one log.

        Raises:
            NoteError: none, a malformed key, one that is not a log's, or keys of two names.
        """
        if not vkeys:
            raise NoteError("no verifier key was given", code="note.vkey")
        verifiers = [parse_vkey(vkey) for vkey in vkeys]
        if any(verifier.kind != ED25519_TYPE for verifier in verifiers):
            raise NoteError("a log's verifier key is of type Ed25519 (0x01)", code="note.vkey")
        names = sorted({verifier.name for verifier in verifiers})
        if len(names) > 1:
            raise NoteError(
                f"the verifier keys are of several logs: {', '.join(names)}; give those of one",
                code="note.vkey",
            )
        return cls(tuple(dict.fromkeys(vkeys)))

    @classmethod
    def of_policy(cls, content: bytes) -> Self:
        """Trust the logs of a C2SP tlog-policy file under its quorum.

        Raises:
            NoteError: as ``LogPolicy.parse``, or a policy that names no log.
        """
        policy = LogPolicy.parse(content)
        if not policy.logs:
            raise NoteError("the policy names no log", code="policy.no_log")
        return cls(tuple(log.verifier.vkey for log in policy.logs), policy)

    @property
    def demands_witnesses(self) -> bool:
        """Whether a checkpoint counts only under a quorum of witnesses."""
        return self.policy is not None and self.policy.quorum is not None

    def open_checkpoint(self, note: bytes) -> tuple[Checkpoint, str]:
        """Return the checkpoint if it counts, and in words who signed it.

        Raises:
            NoteError: as ``verify_checkpoint`` and ``LogPolicy.open_checkpoint``.
        """
        if self.policy is None:
            checkpoint = verify_checkpoint(note, self.vkeys)
            return checkpoint, f"{checkpoint.origin} at {checkpoint.tree_size} entries"
        checkpoint, opened = self.policy.open_checkpoint(note)
        witnesses = [
            witness.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            for witness in self.policy.witnesses
            if any(item.verifier == witness.verifier for item in opened.signatures)
        ]
        seen_by = f", cosigned by {', '.join(witnesses)}" if witnesses else ""
        return checkpoint, f"{checkpoint.origin} at {checkpoint.tree_size} entries{seen_by}"

    def open_earlier(self, note: bytes) -> Checkpoint:
        """Return a checkpoint from before, which the log's own signature is enough for.

        Raises:
            NoteError: not signed by a trusted key of the log that it names.
        """
        origin = Checkpoint.from_text(parse_note(note).text).origin
        named = [vkey for vkey in self.vkeys if parse_vkey(vkey).name == origin]
        return verify_checkpoint(note, named or self.vkeys)
