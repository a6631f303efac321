"""What independent parties have said of the log so far, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audits.errors import AuditsError
from audits.independent import timestamp_authority, witness_policy
from audits.models import LogCosignature, LogTimestamp
from audits.selectors import latest_checkpoint


@dataclass(frozen=True, slots=True)
class WitnessState:
    """One witness of the policy.

    Attributes:
        is_asked: whether the policy has an address for it.
        tree_size: the last size that it cosigned; None where it never did.
        cosigned_at: when, as it says.
    """

    name: str
    vkey: str
    is_asked: bool
    tree_size: int | None
    cosigned_at: datetime | None


@dataclass(frozen=True, slots=True)
class IndependentState:
    """The witnesses and the clock beside the log.

    Attributes:
        quorum: the policy in words, "2 of north, south, east"; "" where none is enforced.
        quorum_size: the size up to which it was reached; None where none is enforced or nothing
            was.
        authority: the TSA's host; "" where there is none.
        stamped_size: the size of the checkpoint that was stamped last.
        stamped_at: when, as the token says.
        refusal: why the settings cannot be followed; "" where they can.
    """

    quorum: str
    quorum_size: int | None
    witnesses: tuple[WitnessState, ...]
    authority: str
    stamped_size: int | None
    stamped_at: datetime | None
    refusal: str


def independent_state() -> IndependentState:
    """Return what witnesses and the time-stamping authority have said; reads the database only."""
    refusals = []
    policy = authority = None
    try:
        policy = witness_policy()
    except AuditsError as error:
        refusals.append(str(error))
    try:
        authority = timestamp_authority()
    except AuditsError as error:
        refusals.append(str(error))
    is_enforced = policy is not None and policy.quorum is not None
    shown = latest_checkpoint() if is_enforced else None
    stamp = LogTimestamp.objects.order_by("-stamped_at", "-checkpoint").first()
    return IndependentState(
        quorum=policy.words if policy is not None and is_enforced else "",
        quorum_size=None if shown is None else shown.tree_size,
        witnesses=()
        if policy is None
        else tuple(
            _state(witness.printed_name, witness.verifier.vkey, witness.url is not None)
            for witness in policy.witnesses
        ),
        authority="" if authority is None else authority.host,
        stamped_size=None if stamp is None else stamp.checkpoint_id,
        stamped_at=None if stamp is None else stamp.stamped_at,
        refusal=" ".join(refusals),
    )


def _state(name: str, vkey: str, is_asked: bool) -> WitnessState:
    last = LogCosignature.objects.filter(vkey=vkey).order_by("-checkpoint_id").first()
    return WitnessState(
        name=name,
        vkey=vkey,
        is_asked=is_asked,
        tree_size=None if last is None else last.checkpoint_id,
        cosigned_at=None if last is None else last.cosigned_at,
    )
