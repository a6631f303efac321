"""Query counts of a walk, frozen: they grow with the pages it writes, and with nothing else."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audits.services.keys import enroll_keys
from registry.domain.mirror import Walk
from registry.models import RegisteredModel, RegistrySource
from registry.services.mirror import MODELS_A_PAGE, apply_walk
from tests.integration.web.world import model_row, version_row

# BEGIN and COMMIT included; lower them when a walk gets cheaper.
OF_A_FIRST_WALK = 14
OF_A_PAGE = 11
OF_AN_UNCHANGED_WALK = 11


@pytest.fixture
def source(committed_database: str) -> RegistrySource:
    enroll_keys(now=timezone.now())
    return RegistrySource.objects.create(name="default", uri="http://mlflow.example")


def registry(*, models: int, versions: int) -> Walk:
    """What a walk sees of so many models with so many versions and an alias each."""
    names = [f"model-{number}" for number in range(models)]
    return Walk(
        models=tuple(model_row(name, aliases={"champion": versions}) for name in names),
        versions=tuple(
            version_row(number, name) for name in names for number in range(1, versions + 1)
        ),
    )


def queries(source: RegistrySource, walk: Walk, *, changes: int) -> int:
    now = timezone.now()
    with CaptureQueriesContext(connection) as captured:
        found = apply_walk(source=source, walk=walk, started_at=now, now=now)
    assert len(found) == changes
    return len(captured)


def test_a_first_walk_asks_as_much_for_a_page_however_much_is_on_it(
    source: RegistrySource,
) -> None:
    pages = 2
    walk = registry(models=(pages - 1) * MODELS_A_PAGE + 1, versions=3)
    changes = len(walk.models) * 5
    assert queries(source, walk, changes=changes) <= OF_A_FIRST_WALK + pages * OF_A_PAGE
    assert RegisteredModel.objects.count() == len(walk.models)
    assert queries(source, walk, changes=0) <= OF_AN_UNCHANGED_WALK


def test_a_first_walk_of_one_model_is_one_page(source: RegistrySource) -> None:
    walk = registry(models=1, versions=30)
    assert queries(source, walk, changes=32) <= OF_A_FIRST_WALK + OF_A_PAGE
    assert queries(source, walk, changes=0) <= OF_AN_UNCHANGED_WALK
