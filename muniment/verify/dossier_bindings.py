"""Who bound the model to its policies: two people, as soon as there were two."""

from __future__ import annotations

from muniment.verify.enrolments import people_behind
from muniment.verify.errors import ReportError
from muniment.verify.record import Record
from muniment.verify.shown import object_in


def require_bindings(record: Record) -> None:
    """Accept bindings on two people's word; on one's, while none before rests on two.

    A binding from before the log said on whose word it was made says nothing of it; after one that
    does, each must.

    Raises:
        ReportError: one that is proposed and confirmed by the same person, confirmed by somebody
            else than whoever made it, or made alone after one that took two.
    """
    says, takes_two = False, False
    for entry in record.bindings:
        predicate = entry.statement.predicate
        authority = object_in(predicate, "authority")
        if not authority:
            if says:
                raise _wrong(entry.leaf_index, "it does not say on whose word it was made")
            continue
        says = True
        if authority.get("bootstrap") is True:
            if takes_two:
                raise _wrong(entry.leaf_index, "one person made it, and two were needed by then")
            continue
        people = people_behind(authority)
        if people is None:
            raise _wrong(entry.leaf_index, "no two people stand behind it")
        if people[1] != object_in(predicate, "actor").get("id"):
            raise _wrong(entry.leaf_index, "whoever made it is not who confirmed it")
        takes_two = True


def _wrong(leaf_index: int, why: str) -> ReportError:
    return ReportError(f"the binding at leaf {leaf_index}: {why}", code="binding.two_people")
