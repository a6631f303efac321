from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.management.asking import acting_admin, ask_password
from accounts.models import Proposal
from accounts.services.change_kinds import kind_named
from accounts.services.proposals import answer_proposal, content_of, title_of
from audits.errors import AuditsError
from audits.management.json_command import JsonCommand


class Command(JsonCommand):
    help = (
        "Confirm a change that another admin proposed, which makes it, or decline it. The password "
        "is asked for, or read from a pipe."
    )
    refusals = (AccountsError, AuditsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("proposal", help="its ID, as it was printed")
        parser.add_argument("--as", dest="admin", help="the admin who confirms; without, show it")
        parser.add_argument("--decline", metavar="REASON", help="do not make it, for this reason")

    def perform(self, **options: Any) -> dict[str, Any]:
        proposal = _proposal(options["proposal"])
        if not options["admin"]:
            shown = kind_named(proposal.kind).show(content_of(proposal))
            return {
                "change": title_of(proposal),
                "proposed_by": proposal.proposer.username,
                "digest": proposal.content_sha256,
                "before": shown.before,
                "after": shown.after,
            }
        _, words = answer_proposal(
            proposal_id=proposal.pk,
            verdict="decline" if options["decline"] else "confirm",
            content_sha256=proposal.content_sha256,
            reason=options["decline"] or "",
            password=ask_password(),
            actor=acting_admin(options["admin"]),
            now=timezone.now(),
        )
        return {"change": title_of(proposal), "answer": words}


def _proposal(text: str) -> Proposal:
    try:
        found = Proposal.objects.select_related("proposer").filter(pk=UUID(text)).first()
    except ValueError:
        found = None
    if found is None:
        raise CommandError("There is no such proposal. The page Changes lists them.")
    return found
