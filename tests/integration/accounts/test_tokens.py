"""API tokens: shown once, kept as a hash, found while they live."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.errors import TokenLifetimeInvalid
from accounts.models import ApiToken, User
from accounts.services.people import actor_of
from accounts.services.tokens import MAX_TTL_SECONDS, PREFIX, READ, find_token, issue_token
from audits.domain.actor import EXECUTOR, SETUP, Actor
from audits.errors import RoleRequired
from audits.models import LogEntry
from audits.selectors import decoded_statement
from tests.integration.accounts.conftest import NOW, AddPerson


def issue(user: User, *, actor: Actor = SETUP, ttl_seconds: int = 60) -> str:
    return issue_token(
        user=user, name="ci", scopes=[READ], ttl_seconds=ttl_seconds, actor=actor, now=NOW
    )


def test_a_token_is_found_until_the_moment_it_expires(add: AddPerson) -> None:
    rita = add()
    secret = issue(rita)
    assert secret.startswith(PREFIX)
    found = find_token(secret=secret, now=NOW + timedelta(seconds=59))
    assert found is not None
    assert (found.user, found.scopes) == (rita, [READ])
    assert find_token(secret=secret, now=NOW + timedelta(seconds=60)) is None


def test_no_part_or_spelling_of_it_is_found(add: AddPerson) -> None:
    secret = issue(add())
    row = ApiToken.objects.get()
    for other in (
        "",
        PREFIX,
        secret[:-1],
        secret + " ",
        secret.swapcase(),
        row.sha256,
        str(row.pk),
    ):
        assert find_token(secret=other, now=NOW) is None


def test_a_revoked_one_and_an_inactive_persons_are_not_found(add: AddPerson) -> None:
    rita = add()
    secret = issue(rita)
    rita.is_active = False
    rita.save()
    assert find_token(secret=secret, now=NOW) is None
    rita.is_active = True
    rita.save()
    assert find_token(secret=secret, now=NOW) is not None
    ApiToken.objects.update(revoked_at=NOW)
    assert find_token(secret=secret, now=NOW) is None


def test_the_log_says_who_got_one_and_not_what_it_is(add: AddPerson) -> None:
    rita = add()
    secret = issue(rita)
    entry = LogEntry.objects.get(event="token.issued")
    assert decoded_statement(entry).predicate["after"] == {
        "person": str(rita.pk),
        "scopes": [READ],
    }
    token = ApiToken.objects.get()
    for hidden in (secret, token.sha256, secret.removeprefix(PREFIX)):
        assert hidden.encode() not in bytes(entry.envelope)
    assert secret not in str(ApiToken.objects.values().get())


def test_one_issues_their_own_and_an_admin_anybodys(add: AddPerson) -> None:
    rita, emil = add("rita"), add("emil", roles=["engineer"])
    admin = add("ada", roles=["admin"])
    issue(rita, actor=actor_of(rita))
    issue(rita, actor=actor_of(admin))
    entries = LogEntry.objects.count()
    for actor in (actor_of(emil), EXECUTOR):
        with pytest.raises(RoleRequired):
            issue(rita, actor=actor)
    assert ApiToken.objects.count() == 2
    assert LogEntry.objects.count() == entries


def test_a_token_that_would_not_end_is_refused(add: AddPerson) -> None:
    rita = add()
    for ttl_seconds in (0, -1, MAX_TTL_SECONDS + 1, 10**12):
        with pytest.raises(TokenLifetimeInvalid):
            issue(rita, ttl_seconds=ttl_seconds)
    assert not ApiToken.objects.exists()


def test_two_tokens_are_never_the_same(add: AddPerson) -> None:
    rita = add()
    secrets = {issue(rita) for _ in range(5)}
    assert len(secrets) == 5
    assert all(len(secret) >= len(PREFIX) + 43 for secret in secrets)
