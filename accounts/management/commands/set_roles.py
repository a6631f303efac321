from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from accounts.errors import AccountsError
from accounts.management.asking import acting_admin, active_person, ask_from_command
from accounts.models import Role
from accounts.services.people_changes import needs_two_people, role_change
from accounts.services.roles import set_roles
from audits.domain.actor import SETUP
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand


class Command(JsonCommand):
    help = (
        "Give a person exactly these roles. One that signs is proposed for another admin to "
        "confirm, once there are two."
    )
    refusals = (AccountsError, AuditsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument(
            "--role",
            action="append",
            default=[],
            choices=list(Role.values),
            help="may be repeated; without any, the person has no role left",
        )
        parser.add_argument(
            "--as",
            dest="admin",
            help="the admin who does it (default: whoever runs commands here, while there are "
            "fewer than two)",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        person, now = active_person(options["username"]), timezone.now()
        actor = acting_admin(options["admin"]) if options["admin"] else SETUP
        said: dict[str, Any] = {}
        if actor != SETUP and needs_two_people(person, options["role"]):
            said = ask_from_command(role_change(person, options["role"]), actor=actor, now=now)
        else:
            set_roles(person_id=person.pk, roles=options["role"], actor=actor, now=now)
        person.refresh_from_db()
        return {"username": person.username, "roles": person.roles} | said
