"""Adding people: by admins, with known roles, and named in the log by a pseudonym alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR, GATE, SETUP
from audits.errors import RoleRequired
from audits.models import LogEntry
from audits.selectors import decoded_statement
from tests.integration.accounts.conftest import PASSWORD, AddPerson


def test_the_log_knows_a_person_by_their_pseudonym_alone(add: AddPerson) -> None:
    rita = add("rita", printed_name="Rita Reyes")
    entry = LogEntry.objects.get(event="person.added")
    predicate = decoded_statement(entry).predicate
    assert entry.subject_name == f"person:{rita.pk}"
    assert predicate["after"] == {"roles": ["reviewer"]}
    assert predicate["actor"] == SETUP.to_mapping()
    for secret in (b"rita", b"Rita", b"Reyes", PASSWORD.encode(), rita.password.encode()):
        assert secret not in bytes(entry.envelope)


def test_an_admin_adds_people_and_nobody_else_does(add: AddPerson) -> None:
    admin = add("ada", roles=["admin"])
    assert add("emil", roles=["engineer"], actor=actor_of(admin)).roles == ["engineer"]
    entries, people = LogEntry.objects.count(), User.objects.count()
    others = [add(role, roles=[role]) for role in ("engineer", "reviewer", "auditor")]
    for actor in (*map(actor_of, others), EXECUTOR, GATE):
        with pytest.raises(RoleRequired):
            add("mallory", roles=["admin"], actor=actor)
    assert (LogEntry.objects.count(), User.objects.count()) == (entries + 3, people + 3)


MALFORMED: list[dict[str, Any]] = [
    {"roles": ["root"]},
    {"roles": ["reviewer", "Admin"]},
    {"username": ""},
    {"username": "u" * 151},
    {"printed_name": ""},
    {"printed_name": "n" * 201},
    {"password": ""},
    {"password": "short"},
    {"password": "password1234"},
    {"password": "ritas-own-rita", "username": "ritas-own-rita"},
]


def test_a_malformed_person_is_refused_and_nothing_is_said(add: AddPerson) -> None:
    entries = LogEntry.objects.count()
    for changed in MALFORMED:
        with pytest.raises(ValidationError):
            add(**changed)
    assert not User.objects.exists()
    assert LogEntry.objects.count() == entries


def test_a_name_is_taken_once(add: AddPerson) -> None:
    add("rita")
    with pytest.raises(ValidationError, match="already exists"):
        add("rita")
    assert User.objects.count() == 1


def test_the_database_knows_the_roles_too(add: AddPerson) -> None:
    add("rita")
    with pytest.raises(IntegrityError, match="user_roles_known"), transaction.atomic():
        User.objects.update(roles=["root"])


def test_the_database_knows_that_groups_are_of_reviewers(add: AddPerson) -> None:
    add("rita")
    User.objects.update(roles=["group:model-risk", "reviewer"])
    for roles in (["group:model-risk"], ["admin", "group:model-risk"]):
        with pytest.raises(IntegrityError, match="user_groups_of_reviewers"), transaction.atomic():
            User.objects.update(roles=roles)
    for role in ("group:", "group:Model", "group:a b", "groups:a"):
        with pytest.raises(IntegrityError, match="user_roles_known"), transaction.atomic():
            User.objects.update(roles=[role, "reviewer"])


def test_roles_are_kept_once_each_and_in_order(add: AddPerson) -> None:
    assert add(roles=["reviewer", "engineer", "reviewer"]).roles == ["engineer", "reviewer"]


def test_a_password_is_kept_as_its_hash(add: AddPerson) -> None:
    rita = add()
    assert PASSWORD not in rita.password
    assert rita.check_password(PASSWORD)
