"""One demo for all end-to-end tests, and a real browser on a small world for pages."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.fixtures import Settings

from registry.models import Promotion
from tests.e2e.browsing import enter
from tests.e2e.demo import Demo
from tests.integration.web.world import World, load_world
from tests.integration.web.world_database import QUICK_HASHERS

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="muniment-demo-"))
    up = Demo(folder / "home")
    try:
        yield up
    finally:
        status = up.stop()
        shutil.rmtree(folder)
    assert status == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, and Django's check for one takes every query
    # of the fixtures for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def world(world_template: str, committed_database: str, settings: Settings) -> World:
    settings.PASSWORD_HASHERS = QUICK_HASHERS
    return load_world()


@pytest.fixture
def reviewed(world: World) -> Promotion:
    """v1 was denied and v2 is in review, with one of two approvals."""
    promotion = world.request(2, note="Fairer than v1, at the same accuracy.")
    world.sign(promotion, "reviewer2", reason="The gap by race is gone, and accuracy held.")
    world.sequence()
    return promotion


@pytest.fixture
def page(browser: Browser, live_url: str, world: World) -> Iterator[Page]:
    """A tab in which an auditor is signed in."""
    context = browser.new_context()
    yield enter(context, live_url, "auditor")
    context.close()
