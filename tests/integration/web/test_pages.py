"""Every page answers, for every role, with what it is for."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from tests.integration.web.world import World


def test_pages_answer_for_every_role(world: World, sign_in: Callable[[str], Client]) -> None:
    promotion = world.request(2, note="Fairer, at the same accuracy.")
    pages = [
        "/",
        "/models.csv",
        "/models/boston-mortgage/",
        "/models/boston-mortgage/versions/1/",
        "/models/boston-mortgage/versions/2/",
        "/models/boston-mortgage/versions/3/",
        "/promotions/",
        f"/promotions/{promotion.pk}/",
        "/log/",
        "/policies/",
    ]
    for username in world.people:
        client = sign_in(username)
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200, (username, page)
