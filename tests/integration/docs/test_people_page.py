"""docs/people.md says what people may do, and its commands work in the order that it gives."""

from __future__ import annotations

import io
import json
import shlex
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.domain.proposals import VALID_FOR
from accounts.models import Proposal, Role, User
from audits.services.keys import enroll_keys
from tests.unit.docs.pages import DOCS, code, read, section, table_rows

PAGE = read(DOCS / "people.md")
PASSWORD = "correct horse battery staple"


def commands(heading: str) -> list[list[str]]:
    """Return the words of each command of a section, after `manage.py`."""
    lines = [line for block in code(section(PAGE, heading)) for line in block.body.splitlines()]
    return [shlex.split(line.partition("manage.py ")[2]) for line in lines if "manage.py" in line]


def run(words: list[str], *passwords: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Run a command that reads its passwords from a pipe."""
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{one}\n" for one in passwords)))
    call_command(*words, "--json", stdout=out)
    said: dict[str, object] = json.loads(out.getvalue())
    return said


def test_the_roles_and_the_days_on_the_page_are_the_real_ones() -> None:
    rows = table_rows(section(PAGE, "## Roles"))
    assert [row[0].strip("`") for row in rows] == list(Role.values)
    assert (timedelta(days=7), "**seven days**" in PAGE) == (VALID_FOR, True)


def test_the_commands_make_the_first_admins_and_then_take_two(
    committed_database: str, quick_passwords: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll_keys(now=timezone.now())
    ada, abe, rita, show, confirm, recover = commands("## The first admins")
    for words in (ada, abe):
        run(words, PASSWORD, monkeypatch=monkeypatch)
    alone = rita[: rita.index("--as")]
    with pytest.raises(CommandError, match="takes two admins"):
        call_command(*alone)
    assert not User.objects.filter(username="rita").exists()
    said = run(rita, PASSWORD, PASSWORD, monkeypatch=monkeypatch)
    assert User.objects.get(username="rita").roles == []
    proposal = Proposal.objects.get()
    assert said["proposal"] == str(proposal.pk)

    def with_id(words: list[str]) -> list[str]:
        return [str(proposal.pk) if word == "ID" else word for word in words]

    shown = run(with_id(show), monkeypatch=monkeypatch)
    assert (shown["before"], shown["after"]) == ("no role", "reviewer")
    for admin, password, refusal in [
        ("ada", PASSWORD, "You proposed this change"),
        ("rita", PASSWORD, "by an admin"),
        ("abe", "guess", "password is not right"),
    ]:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        with pytest.raises(CommandError, match=refusal):
            call_command("confirm_change", str(proposal.pk), "--as", admin)
    assert User.objects.get(username="rita").roles == []
    run(with_id(confirm), PASSWORD, monkeypatch=monkeypatch)
    assert User.objects.get(username="rita").roles == ["reviewer"]
    with pytest.raises(CommandError, match="alone"):
        call_command(*recover)
    run(["set_roles", "abe", "--as", "ada"], monkeypatch=monkeypatch)
    assert run(recover, monkeypatch=monkeypatch)["roles"] == ["admin", "reviewer"]
