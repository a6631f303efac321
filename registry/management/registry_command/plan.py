"""`registry plan`: what enforcing would break today."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from registry.domain.plan import PROBLEM_WORDS, Problem
from registry.management.registry_command.mode import NOT_PREVENTED
from registry.management.registry_command.subcommand import Subcommand, first_of
from registry.selectors.plan import PlanFilter, load_plan


class Plan(Subcommand):
    name = "plan"
    help = "Show what enforcing would break today: a line for each model that lacks something."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "pattern", nargs="?", default="", help="a model's name, or a glob over names"
        )
        parser.add_argument("--source", default="", help="of this registry source alone")
        parser.add_argument(
            "--problem",
            default="any",
            choices=["any", "none", *(problem.value for problem in Problem)],
            help="with this problem alone, or with none",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        plan = load_plan(
            PlanFilter(
                pattern=options["pattern"], problem=options["problem"], source=options["source"]
            ),
            now=timezone.now(),
        )
        said: dict[str, Any] = {
            "models": plan.covered,
            "modes": dict(plan.modes),
            "problems": {
                problem: plan.counts.get(problem, 0) for problem in ("none", "any", *Problem)
            },
            "versions": plan.versions,
            "versions_recorded": plan.recorded,
            "versions_without_commit": plan.without_commit,
            "rows": [
                {
                    "source": row.source,
                    "model": row.name,
                    "mode": row.mode.value,
                    "prevented": row.is_prevented,
                    "policy": row.policy or None,
                    "problems": [problem.value for problem in row.problems],
                    "holders": [
                        {
                            "alias": holder.alias,
                            "version": holder.version,
                            "lineage": dict(holder.grades) if holder.grades is not None else None,
                        }
                        for holder in row.holders
                    ],
                    "unexplained_moves": [
                        {
                            "alias": move.alias,
                            "before": move.before,
                            "after": move.after,
                            "at": move.at.isoformat(),
                        }
                        for move in row.moves
                    ],
                }
                for row in plan.rows
            ],
        }
        if plan.unguarded:
            said["note"] = f"{', '.join(plan.unguarded)}: {NOT_PREVENTED}"
        return said

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        modes = ", ".join(f"{mode} {count}" for mode, count in sorted(said["modes"].items()))
        yield f"models: {said['models']}{f' ({modes})' if modes else ''}"
        yield f"of which enforcing would break nothing: {said['problems']['none']}"
        for problem in Problem:
            if count := said["problems"][problem]:
                yield f"{PROBLEM_WORDS[problem]}: {count}"
        yield (
            f"versions with their lineage recorded: {said['versions_recorded']} of "
            f"{said['versions']}, {said['versions_without_commit']} of them without a commit"
        )
        yield from first_of(
            f"  {row['model']} ({row['mode']}): "
            + ("; ".join(PROBLEM_WORDS[Problem(name)] for name in row["problems"]) or "nothing")
            for row in said["rows"]
        )
        if "note" in said:
            yield said["note"]
