from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.models import Policy
from registry.services.bindings import bind_policy
from registry.services.lookup import find_model


class Command(JsonCommand):
    help = "Bind the newest published version of a policy, and a risk tier, to a model."
    refusals = (AuditsError, RegistryError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", help="the registered model's name")
        parser.add_argument("policy", help="the policy's name")
        parser.add_argument("--tier", required=True, help="a risk tier that the policy allows")
        parser.add_argument("--as", dest="username", required=True, help="the admin who does it")

    def perform(self, **options: Any) -> dict[str, Any]:
        policy = Policy.objects.filter(name=options["policy"]).order_by("-version").first()
        if policy is None:
            raise CommandError(f"No policy {options['policy']} is published.")
        binding = bind_policy(
            registered_model=find_model(options["model"]),
            policy=policy,
            risk_tier=options["tier"],
            actor=acting_person(options["username"]),
            now=timezone.now(),
        )
        return {
            "model": options["model"],
            "policy": policy.name,
            "version": policy.version,
            "risk_tier": binding.risk_tier,
        }
