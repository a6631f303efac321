from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.management.asking import ask_from_command
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand
from registry.domain.errors import RegistryDomainError
from registry.domain.policy_parser import parse_policy
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.models import Policy
from registry.services.policy_changes import publication


class Command(JsonCommand):
    help = (
        "Publish a policy document by the digest of its exact bytes; once there are two admins, "
        "propose it for another to confirm."
    )
    refusals = (AccountsError, AuditsError, RegistryError, RegistryDomainError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--as", dest="username", required=True, help="the admin who does it")

    def perform(self, **options: Any) -> dict[str, Any]:
        actor = acting_person(options["username"])
        try:
            document = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"Cannot read {options['file']}: {error.strerror}") from error
        policy = parse_policy(document)
        said = {"name": policy.name, "version": policy.version, "digest": policy.digest}
        if Policy.objects.filter(digest=policy.digest).exists():
            return said  # the same bytes twice is once
        return said | ask_from_command(publication(document), actor=actor, now=timezone.now())
