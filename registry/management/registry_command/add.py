"""`registry add`: another MLflow server, or how a known one is reached and watched."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.utils import timezone

from registry.errors import InvalidRequest
from registry.management.acting import acting_person
from registry.management.registry_command.subcommand import Subcommand, add_person_argument
from registry.models import RegistrySource
from registry.services.sources import add_source, connection_of, default_source


class Add(Subcommand):
    name = "add"
    help = (
        "Add a registry source, or change how a known one is reached and watched: what is not "
        "given stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", metavar="NAME", help="its name in every URI, which never changes"
        )
        for option, words in (
            ("--uri", "where Muniment reaches MLflow; no credentials in it"),
            ("--public-url", "where people open it, for links (default: the same)"),
            ("--username-variable", "the environment variable that holds the user's name"),
            ("--password-variable", "the one that holds the password"),
            ("--token-variable", "the one that holds a bearer token, instead of both"),
            ("--webhook-secret-variable", "the one that holds what deliveries are signed with"),
            (
                "--ca-bundle",
                "a PEM file of the authorities that its certificate is checked against",
            ),
        ):
            parser.add_argument(option, default=SUPPRESS, help=words)
        for option in ("--connect-timeout", "--read-timeout"):
            parser.add_argument(
                option,
                dest=f"{option.strip('-').replace('-', '_')}_seconds",
                metavar="SECONDS",
                type=float,
                default=SUPPRESS,
                help="how long MLflow may take to answer",
            )
        parser.add_argument(
            "--hash-bytes-per-second",
            type=int,
            default=SUPPRESS,
            help="read its artifacts no faster, all workers together; 0 for no limit",
        )
        parser.add_argument(
            "--on-violation",
            choices=RegistrySource.OnViolation.values,
            default=SUPPRESS,
            help="raise an alarm, or also undo in MLflow what can be undone",
        )
        add_person_argument(parser)

    def perform(self, **options: Any) -> dict[str, Any]:
        name = options["source"]
        if name == settings.MUNIMENT_SOURCE:
            default_source()
        held = RegistrySource.objects.filter(pk=name).first()
        if held is None and "uri" not in options:
            raise InvalidRequest(f"{name} is a new registry source: give its --uri.")
        source = held or RegistrySource(name=name)
        for field in connection_of(source).keys() & options.keys():
            setattr(source, field, options[field])
        source.hash_bytes_per_second = source.hash_bytes_per_second or None
        add_source(source=source, actor=acting_person(options["username"]), now=timezone.now())
        return {
            "source": source.name,
            "done": "changed" if held else "added",
            **connection_of(source),
        }
