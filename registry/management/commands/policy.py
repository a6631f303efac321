"""`manage.py policy replay`: what a policy version would decide, beside what was decided."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audits.management.json_command import JsonCommand
from registry.domain.policy import PolicyRef
from registry.errors import RegistryError
from registry.selectors.replay import (
    Replayed,
    promotion_with_id,
    replay_holders,
    replay_promotion,
    replays_exactly,
)
from registry.services.lookup import find_policy
from registry.services.policies import document_of


class Command(JsonCommand):
    help = "Evaluate a past promotion, or every champion, under any published policy version."
    refusals = (RegistryError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
        replay = actions.add_parser(
            "replay",
            help="Say what a policy would decide; writes nothing. Exit status 1 where it refuses.",
        )
        replay.add_argument(
            "--policy",
            default="",
            help="name or name@version; left out, the policy that decided the promotion",
        )
        what = replay.add_mutually_exclusive_group(required=True)
        what.add_argument("--promotion", default="", help="the id of a past promotion")
        what.add_argument(
            "--champions", action="store_true", help="everyone who holds a governed alias now"
        )
        replay.add_argument("--model", default="", help="of models whose name contains this")
        replay.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def perform(self, **options: Any) -> dict[str, Any]:
        policy = find_policy(options["policy"]) if options["policy"] else None
        document = document_of(policy) if policy is not None else None
        if options["promotion"]:
            promotion = promotion_with_id(options["promotion"])
            found = replay_promotion(promotion, document)
            return {
                "policy": _named(found.decision.policy),
                "same_as_recorded": replays_exactly(promotion),
                "replayed": [_row(found)],
            }
        if document is None:
            raise CommandError("Say by which policy: --policy NAME or --policy NAME@VERSION.")
        found_ones = replay_holders(document, as_of=timezone.now(), name_contains=options["model"])
        return {
            "policy": _named(document.ref),
            "replayed": [_row(one) for one in found_ones],
        }

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        yield f"policy {said['policy']}"
        if said.get("same_as_recorded") is False:
            yield "NOT the same: replaying the recorded decision gives other words than recorded."
        if not said["replayed"]:
            yield "No version holds a governed alias."
        for row in said["replayed"]:
            was = f", was {row['was']} by {row['was_policy']}" if row["was"] else ""
            yield f"{row['model']} v{row['version']} {row['alias']}: {row['outcome']}{was}"
            yield from (f"  {reason}" for reason in row["reasons"])

    def failed(self, said: Mapping[str, Any]) -> bool:
        return said.get("same_as_recorded") is False or any(
            row["outcome"] == "refused" for row in said["replayed"]
        )


def _named(policy: PolicyRef) -> str:
    return f"{policy.name}@{policy.version}"


def _row(found: Replayed) -> dict[str, Any]:
    model = found.version.registered_model
    return {
        "source": model.source_id,
        "model": model.name,
        "version": found.version.version,
        "alias": found.alias,
        "outcome": found.outcome,
        "was": found.was.value if found.was else None,
        "was_policy": found.was_policy or None,
        "reasons": list(found.decision.reasons),
        "gates": [
            {"id": gate.id, "outcome": gate.outcome.value, "reason": gate.reason}
            for gate in found.decision.gates
        ],
    }
