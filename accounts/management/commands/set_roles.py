from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from accounts.domain.groups import group_role
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
        "Give a person exactly these roles and groups. One that signs is proposed for another "
        "admin to confirm, once there are two."
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
            "--group",
            action="append",
            default=[],
            metavar="NAME",
            help="of reviewers, as policies name it; may be repeated; without any, the person is "
            "in none",
        )
        parser.add_argument(
            "--as",
            dest="admin",
            help="the admin who does it (default: whoever runs commands here, while there are "
            "fewer than two)",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        person, now = active_person(options["username"]), timezone.now()
        roles = [*options["role"], *map(group_role, options["group"])]
        actor = acting_admin(options["admin"]) if options["admin"] else SETUP
        said: dict[str, Any] = {}
        if actor != SETUP and needs_two_people(person, roles):
            said = ask_from_command(role_change(person, roles), actor=actor, now=now)
        else:
            set_roles(person_id=person.pk, roles=roles, actor=actor, now=now)
        person.refresh_from_db()
        return {"username": person.username, "roles": person.roles} | said
