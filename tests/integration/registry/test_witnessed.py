"""Where witnesses are asked for, no promotion is executed on what they have not seen."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from audits.services.witnesses import collect_cosignatures
from tests.integration.log.ring import Ring
from tests.integration.registry.live import LiveRegistry


def test_a_promotion_waits_until_its_approvals_are_witnessed(
    live: LiveRegistry, tmp_path: Path, settings: Any
) -> None:
    with ExitStack() as stack:
        ring = Ring(tmp_path, settings, stack)
        ring.start("north", "south", "east")
        ring.require("group g 2 north south east\nquorum g")
        ring.stop("north", "south")
        promotion = live.approved()
        live.world.sequence()
        now = timezone.now()
        assert collect_cosignatures(now=now) == 1

        promotion = live.run(promotion)
        assert promotion.status == "approved"
        assert live.champion() is None

        ring.start("north")
        assert collect_cosignatures(now=now + timedelta(seconds=31)) == 1
        promotion = live.run(promotion)
        assert promotion.status == "executed"
        assert live.champion() == 1
