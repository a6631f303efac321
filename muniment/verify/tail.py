"""A report held against a whole log: is it of this log, and does it leave out a stream's end?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from muniment.attest.checkpoint import Checkpoint
from muniment.verify.errors import ReportError
from muniment.verify.findings import Findings, known
from muniment.verify.stream import StreamEntry
from muniment.verify.trust import LogTrust
from muniment.verify.whole_log import Kept, LogQuestion, look_at_log

_MOST_NAMED: Final = 5
TAIL_UNSEEN: Final = (
    "Whether the report leaves out the end of its model's stream: --hashes-only left that out."
)


def look_at_tail(
    findings: Findings,
    question: LogQuestion,
    trust: LogTrust,
    kept: Sequence[Kept],
    *,
    checkpoint: Checkpoint | None,
    stream: str | None,
    entries: Sequence[StreamEntry] | None,
    credentials: Mapping[int, str],
) -> tuple[str, ...]:
    """Look at the whole log, and at a report's stream in it; return what that cannot show.

    Args:
        kept: the report's own checkpoint among them.
        checkpoint: the report's.
        stream: the model URI; None where the report could not be read.
        entries: the stream as the report carries it; None where it does not hold.
        credentials: the statements about credentials that the report carries, by leaf.
    """
    look = look_at_log(findings, question, trust, kept, watch=stream)
    if question.hashes_only:
        return (*look.limits, TAIL_UNSEEN)
    later = 0
    with findings.look_at(
        "stream.tail",
        "The report holds every statement of its model that stood in the log under its checkpoint",
    ) as note:
        in_log = known(look.statements, "the log's tiles").watched
        in_report = known(entries, "the report's stream")
        tree_size = known(checkpoint, "the report's checkpoint").tree_size
        later = _require_tail(in_report, in_log, tree_size)
        note.detail = f"{len(in_report)} statements, the last at leaf {in_report[-1].leaf_index}"
    if credentials:
        with findings.look_at(
            "credentials.history",
            "The report holds all that stood in the log about the credentials that it names",
        ) as note:
            said = known(look.statements, "the log's tiles").credentials
            tree_size = known(checkpoint, "the report's checkpoint").tree_size
            _require_history(credentials, said, tree_size)
            note.detail = f"{len(credentials)} statements"
    if not later:
        return look.limits
    were = "statement was" if later == 1 else "statements were"
    return (
        *look.limits,
        f"What was said since: {later} {were} added to the model's stream after this report.",
    )


def _require_history(carried: Mapping[int, str], in_log: Mapping[int, str], tree_size: int) -> None:
    named = set(carried.values())
    stood = {leaf for leaf, name in in_log.items() if leaf < tree_size and name in named}
    if left_out := sorted(stood - carried.keys()):
        raise ReportError(
            f"the report leaves out what the log says of its credentials: leaf "
            f"{', '.join(map(str, left_out[:_MOST_NAMED]))}",
            code="credentials.left_out",
        )


def _require_tail(entries: Sequence[StreamEntry], in_log: Mapping[int, str], tree_size: int) -> int:
    """Return how many statements were added after the report.

    Raises:
        ReportError: one that stood there before is left out, or one is not the log's.
    """
    carried = {entry.leaf_index: entry.sha256 for entry in entries}
    before = {leaf: sha256 for leaf, sha256 in in_log.items() if leaf < tree_size}
    left_out = sorted(before.keys() - carried.keys())
    if left_out:
        named = ", ".join(map(str, left_out[:_MOST_NAMED]))
        more = ", …" if len(left_out) > _MOST_NAMED else ""
        raise ReportError(
            f"omitted tail: the report leaves out {len(left_out)} of the {len(before)} statements "
            f"that stood in its stream under its checkpoint: leaf {named}{more}",
            code="stream.omitted_tail",
        )
    for leaf, sha256 in carried.items():
        if before.get(leaf) != sha256:
            raise ReportError(
                f"leaf {leaf} of the report is not in this stream of the log", code="stream.foreign"
            )
    return len(in_log) - len(before)
