from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audits.errors import AuditsError
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.models import Policy
from registry.services.bindings import bind_policy
from registry.services.lookup import find_model


class Command(BaseCommand):
    help = "Bind the newest published version of a policy, and a risk tier, to a model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="the registered model's name")
        parser.add_argument("policy", help="the policy's name")
        parser.add_argument("--tier", required=True, help="a risk tier that the policy allows")
        parser.add_argument("--as", dest="username", required=True, help="the admin who does it")

    def handle(self, *args: Any, **options: Any) -> None:
        policy = Policy.objects.filter(name=options["policy"]).order_by("-version").first()
        if policy is None:
            raise CommandError(f"No policy {options['policy']} is published.")
        try:
            bind_policy(
                registered_model=find_model(options["model"]),
                policy=policy,
                risk_tier=options["tier"],
                actor=acting_person(options["username"]),
                now=timezone.now(),
            )
        except (AuditsError, RegistryError) as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"{options['model']} is bound to {policy.name} version {policy.version}")
