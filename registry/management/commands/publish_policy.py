from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audits.errors import AuditsError
from registry.domain.errors import RegistryDomainError
from registry.errors import RegistryError
from registry.management.acting import acting_person
from registry.services.policies import publish_policy


class Command(BaseCommand):
    help = "Publish a policy document by the digest of its exact bytes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--as", dest="username", required=True, help="the admin who does it")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            policy = publish_policy(
                document=options["file"].read_bytes(),
                actor=acting_person(options["username"]),
                now=timezone.now(),
            )
        except OSError as error:
            raise CommandError(f"Cannot read {options['file']}: {error.strerror}") from error
        except (AuditsError, RegistryError, RegistryDomainError) as error:
            raise CommandError(str(error)) from error
        shown = {"name": policy.name, "version": policy.version, "digest": policy.digest}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
        else:
            self.stdout.write(f"{policy.name} version {policy.version}: {policy.digest}")
