"""A rollback while Muniment is not asked, at a live MLflow, as docs/rollback.md says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Alarm
from registry import tasks
from registry.models import AliasChange, RegistrySource, RollbackGrant, Violation
from registry.services.reverting import revertible_of
from registry.services.rollback_handout import await_token, seal_token, take_token
from registry.services.rollback_reviews import review_rollback, sign_rollback
from registry.services.rollbacks import request_rollback, revoke_rollback
from registry.services.signing import Password
from tests.integration.registry.live import MODEL, LiveRegistry
from tests.integration.web.world import PASSWORD
from tests.unit.docs.pages import DOCS, fenced, read

pytestmark = pytest.mark.timeout(180)


def promoted(live: LiveRegistry) -> None:
    """Make one more version champion, by a promotion."""
    promotion = live.approved()
    live.world.sequence()
    assert live.run(promotion).status == "executed"


def token_for(live: LiveRegistry, number: int) -> tuple[RollbackGrant, str]:
    """Get a rollback grant to a version, and its token."""
    world = live.world
    engineer = actor_of(world.people["engineer"])
    rollback = request_rollback(
        version=live.version(number),
        alias="champion",
        note="If the new one goes wrong at night.",
        actor=engineer,
        now=world.tick(),
    )
    for who in ("reviewer", "reviewer2"):
        sign_rollback(
            rollback_id=rollback.pk,
            verdict="approve",
            reason="",
            means=Password(PASSWORD),
            actor=actor_of(world.people[who]),
            now=world.tick(),
        )
    world.sequence()
    handout = await_token(rollback_id=rollback.pk, actor=engineer, now=world.tick())
    seal_token(rollback_id=rollback.pk, reader=handout.reader.address, clock=timezone.now)
    token = take_token(handout=handout, actor=engineer, now=world.tick())
    assert token is not None
    return rollback, token


def run_the_page(folder: Path, token: str) -> subprocess.CompletedProcess[str]:
    """Run the commands of the page as whoever is on call, who knows MLflow and not Muniment."""
    (folder / "champion.grant").write_text(f"{token}\n")
    (commands,) = fenced(read(DOCS / "rollback.md"), "bash")
    assert "http://localhost:5000" in commands
    return subprocess.run(
        ["bash", "-ec", commands.replace("http://localhost:5000", settings.MLFLOW_TRACKING_URI)],
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_champion_is_put_back_found_and_reviewed(live: LiveRegistry, tmp_path: Path) -> None:
    promoted(live)
    promoted(live)
    live.walk()
    rollback, token = token_for(live, 1)
    assert live.champion() == 2
    done = run_the_page(tmp_path, token)
    assert done.returncode == 0, done.stderr
    assert f"champion of {MODEL} is version 1 again." in done.stdout
    assert live.champion() == 1

    facts = [(fact.event, fact.is_violation) for fact in live.walk()]
    assert facts == [("rollback.used", False), ("model.changed", False), ("alias.moved", False)]
    assert not Violation.objects.exists()
    assert AliasChange.objects.latest("pk").rollback == rollback
    assert Alarm.objects.get(cleared_at=None).code == "registry.rollbacks"
    assert live.walk() == []
    review_rollback(
        rollback_id=rollback.pk,
        verdict="accept",
        reason="Version 2 refused everybody from six o'clock on.",
        means=Password(PASSWORD),
        actor=actor_of(live.world.people["reviewer"]),
        now=live.world.tick(),
    )
    assert not Alarm.objects.filter(cleared_at=None).exists()
    assert run_the_page(tmp_path, token).returncode == 0  # "already", and nothing happens
    assert live.walk() == []

    # Forward again: the next grant is revoked, MLflow cannot know it, and the mirror tells.
    promotion = live.world.request(2, name=MODEL)
    for who in ("reviewer", "reviewer2"):
        promotion = live.world.sign(promotion, who)
    live.world.sequence()
    assert live.run(promotion).status == "executed"
    assert run_the_page(tmp_path, token).returncode == 1  # the first one was used
    assert live.champion() == 2
    revoked, token = token_for(live, 1)
    revoke_rollback(
        rollback_id=revoked.pk,
        actor=actor_of(live.world.people["admin"]),
        now=live.world.tick(),
    )
    assert run_the_page(tmp_path, token).returncode == 0
    facts = [(fact.event, fact.is_violation) for fact in live.walk()]
    assert facts == [("model.changed", True), ("alias.moved", True)]
    assert RollbackGrant.objects.get(pk=revoked.pk).status == "revoked"

    # Put back by Muniment, as the source asks; what counts the grant stays, so it stays used up.
    RegistrySource.objects.update(on_violation="revert")
    for violation in revertible_of(RegistrySource.objects.get()):
        tasks.revert_violation_in_mlflow(str(violation.pk))
    assert live.champion() == 2
    live.walk()
    assert live.champion() == 2
    assert f"muniment.rollback.{revoked.pk}" in live.version(1).registered_model.tags
    again = run_the_page(tmp_path, token)
    assert (again.returncode, live.champion()) == (1, 2)
    assert "its rollback grant was used before" in again.stderr
