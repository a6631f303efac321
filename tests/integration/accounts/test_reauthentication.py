"""The password again: at signing, one's own, and not guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.errors import ReauthenticationFailed, SigningLocked
from accounts.models import SignatureAttempt, User
from accounts.services.attempts import LOCK_FOR, MAX_WRONG
from accounts.services.people import reauthenticate
from tests.integration.accounts.conftest import NOW, PASSWORD, AddPerson


def fail(user: User, times: int, *, at: timedelta = timedelta()) -> None:
    for _ in range(times):
        with pytest.raises(ReauthenticationFailed):
            reauthenticate(user=user, password="guess", now=NOW + at)


def test_five_wrong_ones_lock_until_the_first_is_a_quarter_of_an_hour_old(add: AddPerson) -> None:
    rita = add()
    fail(rita, MAX_WRONG)
    for password in ("guess", PASSWORD):
        with pytest.raises(SigningLocked):
            reauthenticate(user=rita, password=password, now=NOW)
    with pytest.raises(SigningLocked):
        reauthenticate(user=rita, password=PASSWORD, now=NOW + LOCK_FOR - timedelta(seconds=1))
    reauthenticate(user=rita, password=PASSWORD, now=NOW + LOCK_FOR)
    assert not SignatureAttempt.objects.exists()


def test_attempts_while_locked_do_not_lock_for_longer(add: AddPerson) -> None:
    rita = add()
    fail(rita, MAX_WRONG)
    with pytest.raises(SigningLocked):
        reauthenticate(user=rita, password="guess", now=NOW + timedelta(minutes=14))
    reauthenticate(user=rita, password=PASSWORD, now=NOW + LOCK_FOR)


def test_old_failures_do_not_add_up(add: AddPerson) -> None:
    rita = add()
    for quarter in range(3):
        fail(rita, MAX_WRONG - 1, at=quarter * LOCK_FOR)


def test_one_persons_failures_are_nobody_elses(add: AddPerson) -> None:
    rita, remy = add("rita"), add("remy")
    fail(rita, MAX_WRONG)
    reauthenticate(user=remy, password=PASSWORD, now=NOW)
    with pytest.raises(SigningLocked):
        reauthenticate(user=rita, password=PASSWORD, now=NOW)


def test_somebody_who_was_deactivated_since_signs_nothing(add: AddPerson) -> None:
    rita = add()
    User.objects.update(is_active=False)  # after the page's session had loaded her
    with pytest.raises(ReauthenticationFailed):
        reauthenticate(user=rita, password=PASSWORD, now=NOW)


def test_a_password_that_was_changed_since_counts_as_it_is_now(add: AddPerson) -> None:
    rita = add()
    now = User.objects.get()
    now.set_password("another horse battery staple")
    now.save()
    with pytest.raises(ReauthenticationFailed):
        reauthenticate(user=rita, password=PASSWORD, now=NOW)
    reauthenticate(user=rita, password="another horse battery staple", now=NOW)


def test_a_failure_is_never_rolled_back_with_what_was_to_be_signed(add: AddPerson) -> None:
    rita = add()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        reauthenticate(user=rita, password="guess", now=NOW)
    fail(rita, 1)
    assert SignatureAttempt.objects.count() == 1
