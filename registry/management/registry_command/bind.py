"""`registry bind`: a policy and a risk tier for every model that a pattern matches."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from accounts.management.asking import ask_from_command
from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import (
    Subcommand,
    add_dry_run_argument,
    add_person_argument,
    add_source_argument,
    first_of,
)
from registry.services.bulk_bindings import digest_of_plan, plan_binding
from registry.services.lookup import find_policy
from registry.services.policy_changes import bulk_binding
from registry.services.sources import find_source


class Bind(Subcommand):
    name = "bind"
    help = (
        "Bind a policy and a risk tier to the models that a pattern matches now. It is done once: "
        "a model that appears later has no policy until one is bound to it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "pattern", metavar="PATTERN", help="a model's name, or a glob over names: 'fraud-*'"
        )
        parser.add_argument(
            "--policy",
            required=True,
            metavar="NAME[@VERSION]",
            help="a published policy; without a version, its newest",
        )
        parser.add_argument("--risk-tier", required=True, help="a tier that the policy is for")
        add_source_argument(parser)
        add_dry_run_argument(parser)
        add_person_argument(parser)

    def perform(self, **options: Any) -> dict[str, Any]:
        policy = find_policy(options["policy"])
        wanted = {
            "source": find_source(options["source"]),
            "pattern": options["pattern"],
            "policy": policy,
            "risk_tier": options["risk_tier"],
        }
        plan = plan_binding(**wanted)
        asked: dict[str, Any] = {}
        if not options["dry_run"]:
            asked = ask_from_command(
                bulk_binding(**wanted, shown=digest_of_plan(plan)),
                actor=acting_person(options["username"]),
                now=timezone.now(),
            )
        return {
            "policy": f"{policy.name}@{policy.version}",
            "risk_tier": options["risk_tier"],
            "done": not options["dry_run"] and "proposal" not in asked,
            **asked,
            "changed": sum(one.changes for one in plan),
            "models": [
                {
                    "name": one.registered_model.name,
                    "before": {"policy": one.policy, "risk_tier": one.risk_tier}
                    if one.policy
                    else None,
                    "changes": one.changes,
                }
                for one in plan
            ],
        }

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        verb = "bound" if said["done"] else "would be bound (dry run: nothing was)"
        if "proposal" in said:
            verb = "proposed, and waits for another admin to be bound"
        count = f"{said['changed']} of the {len(said['models'])} models that match"
        yield f"{said['policy']}, {said['risk_tier']} risk: {verb} to {count}"
        yield from first_of(
            f"  {one['name']}: "
            + (
                f"{one['before']['policy']}, {one['before']['risk_tier']}"
                if one["before"]
                else "none"
            )
            + (" before" if one["changes"] else ", as it was")
            for one in said["models"]
        )
        if "proposal" in said:
            yield f"proposal: {said['proposal']}"
