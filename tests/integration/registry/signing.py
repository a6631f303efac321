"""Signing a review, alone or at the same moment as others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from accounts.services.people import actor_of
from registry.models import Promotion
from registry.services.approvals import sign_review
from tests.integration.web.world import PASSWORD, World


def sign(world: World, promotion: Promotion, who: str, **changed: Any) -> Promotion:
    """Sign as a reviewer does who has read the promotion as it is now, except what is changed."""
    values: dict[str, Any] = {
        "promotion_id": promotion.pk,
        "verdict": "approve",
        "reason": "",
        "meaning": "I approve.",
        "evidence_digest": world.evidence_digest(promotion),
        "password": PASSWORD,
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    return sign_review(**(values | changed))


def at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Call each in a thread of its own, all at the same moment; return what each raised."""
    ready = threading.Barrier(len(calls))
    raised: list[BaseException | None] = [None] * len(calls)

    def run(place: int, call: Callable[[], object]) -> None:
        try:
            ready.wait(10)
            call()
        except Exception as error:  # noqa: BLE001 - the thread's edge: asserted on by the test
            raised[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return raised
