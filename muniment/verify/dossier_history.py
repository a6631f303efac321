"""Promotions, aliases and events as the pages show them against the stream's statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muniment.attest.predicates import SLSA_EVENTS
from muniment.verify.evidence import TextDisclosure
from muniment.verify.record import AliasMove, Record
from muniment.verify.shown import differs, read_objects, require_each, require_same
from muniment.verify.stream import StreamEntry


def require_promotions(shown: Sequence[Mapping[str, Any]], record: Record) -> int:
    """Accept exactly the promotions of the version with all their moves; return how many.

    Raises:
        ReportError: a promotion or a move left out, added or changed.
    """
    moves: dict[str, list[StreamEntry]] = {}
    for entry in record.promotion_moves:
        moves.setdefault(str(entry.statement.predicate["promotion_id"]), []).append(entry)
    for place, item in enumerate(shown):
        path = f"dossier.promotions[{place}]"
        stated = moves.pop(str(item.get("id")), None)
        if stated is None:
            raise differs(path, "no statement is about this promotion, or it stands there twice")
        last = stated[-1].statement.predicate
        require_same(f"{path}.alias", item.get("alias"), last["alias"])
        require_same(f"{path}.status", item.get("status"), last["status"])
        first = stated[0].statement.predicate
        require_same(f"{path}.requested_at", item.get("requested_at"), first["at"])
        replaced = item.get("replaces_version")
        if replaced not in _held_during(record, str(last["alias"]), stated):
            raise differs(path, f"it could not replace version {str(replaced)[:40]}")
        _timeline(path, read_objects(item, "timeline"), stated, record)
    if moves:
        raise differs("promotions", f"the pages leave out promotion {next(iter(moves))}")
    return len(shown)


def require_history(dossier: Mapping[str, Any], record: Record) -> int:
    """Accept exactly the stream's events and alias moves; return how many events there are.

    Raises:
        ReportError: an event, a violation, a move or a holder left out, added or changed.
    """
    events = read_objects(dossier, "events")
    by_leaf = {entry.leaf_index: entry for entry in record.entries}
    require_each(
        "dossier.events",
        [item.get("leaf_index") for item in events],
        list(by_leaf),
        "the event",
    )
    for place, item in enumerate(events):
        _event(f"dossier.events[{place}]", item, by_leaf[item["leaf_index"]])
    moves, changes = record.alias_moves, read_objects(dossier, "alias_history")
    require_each(
        "dossier.alias_history",
        [item.get("leaf_index") for item in changes],
        [move.entry.leaf_index for move in moves],
        "the move of an alias",
    )
    for place, (item, move) in enumerate(zip(changes, moves, strict=True)):
        _alias_move(f"dossier.alias_history[{place}]", item, move)
    held = {move.alias: move.after for move in moves}
    aliases = read_objects(dossier, "aliases")
    shown = {str(item.get("name")): item.get("version") for item in aliases}
    if len(shown) != len(aliases):
        raise differs("aliases", "one alias stands there twice")
    require_same(
        "dossier.aliases",
        {name: version for name, version in shown.items() if version is not None},
        {name: version for name, version in held.items() if version is not None},
    )
    return len(events)


def _timeline(
    path: str, shown: Sequence[Mapping[str, Any]], stated: Sequence[StreamEntry], record: Record
) -> None:
    require_each(
        f"{path}.timeline",
        [item.get("leaf_index") for item in shown],
        [entry.leaf_index for entry in stated],
        "the move of this promotion",
    )
    for place, (item, entry) in enumerate(zip(shown, stated, strict=True)):
        predicate = entry.statement.predicate
        moved = str(predicate["event"]).removeprefix("promotion.").replace("_", " ")
        require_same(f"{path}.timeline[{place}].status", item.get("status"), moved)
        require_same(f"{path}.timeline[{place}].at", item.get("at"), predicate["at"])
        _actor(f"{path}.timeline[{place}]", item, entry)
        note = record.disclosures.get(str(predicate.get("reason_commitment")))
        if item.get("note") is not None:
            text = note.text if isinstance(note, TextDisclosure) else None
            require_same(f"{path}.timeline[{place}].note", item["note"], text)


def _held_during(record: Record, alias: str, stated: Sequence[StreamEntry]) -> set[object]:
    """Return who held the alias at any moment of a promotion's life; None for nobody."""
    begun, ended = stated[0].leaf_index, stated[-1].leaf_index
    moves = [move for move in record.alias_moves if move.alias.lower() == alias.lower()]
    before = [move.after for move in moves if move.entry.leaf_index < begun]
    during = [move.after for move in moves if begun < move.entry.leaf_index < ended]
    return {before[-1] if before else None, *during}


def _event(path: str, shown: Mapping[str, Any], entry: StreamEntry) -> None:
    predicate = entry.statement.predicate
    slsa_event = SLSA_EVENTS.get(entry.statement.predicate_type)
    event = slsa_event or str(predicate["event"])
    require_same(f"{path}.event", shown.get("event"), event)
    require_same(f"{path}.violation", shown.get("violation"), predicate.get("violation", False))
    # The subject says what it is about; the words around it are always the same.
    _, separator, number = entry.statement.subjects[0].name.rpartition("/versions/")
    about = f"version {number}" if separator else "the model"
    words = f"{event.replace('.', ' ').replace('_', ' ')}: {about}"
    require_same(f"{path}.summary", shown.get("summary"), words)
    if slsa_event is None:
        require_same(f"{path}.at", shown.get("at"), predicate["at"])
        _actor(path, shown, entry)


def _actor(path: str, shown: Mapping[str, Any], entry: StreamEntry) -> None:
    """Compare services by name; a person's name stands in no statement but a review's."""
    actor = entry.statement.predicate["actor"]
    if actor["kind"] == "service":
        require_same(f"{path}.actor", shown.get("actor"), actor["id"])


def _alias_move(path: str, shown: Mapping[str, Any], move: AliasMove) -> None:
    predicate = move.entry.statement.predicate
    if move.promotion_id is not None:
        cause = f"promotion {move.promotion_id}"
    elif move.rollback_id is not None:
        cause = f"rollback grant {move.rollback_id}"
    elif predicate.get("violation"):
        cause = "no grant explains this change"
    else:
        cause = "found in MLflow"
    expected = {
        "alias": move.alias,
        "at": predicate["at"],
        "from_version": move.before,
        "to_version": move.after,
        "cause": cause,
    }
    for name, value in expected.items():
        require_same(f"{path}.{name}", shown.get(name), value)
