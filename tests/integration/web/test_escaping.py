"""Hostile and merely odd texts: shown as they are, and never as markup or as another address."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import quote

from django.test import Client
from django.urls import reverse

from accounts.services.people import actor_of
from audits.services.alarms import raise_alarm
from registry.models import RegistrySource, Violation
from registry.services.modes import set_mode
from tests.integration.web.forms import post, send, text_of
from tests.integration.web.intruder import write_entry
from tests.integration.web.world import (
    MODEL,
    PASSWORD,
    V2_RACE,
    World,
    audit,
    lay_lineage,
    model_row,
    publish_and_bind,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

Enter = Callable[[str], Client]
ATTACK = """<script>alert(1)</script><img src=x onerror=alert(1)>'"{{ 7|add:7 }}{% now 'Y' %}"""
NAMES = [
    "with spaces and 100% sure",
    "%2F%25%00",
    "日本語 モデル – ünïcode",
    "a#fragment?query=1&b=2;c",
    "quote'\"<b>bold</b>",
    "new\nline",
    "back\\slash",
    "slash/es",
    "trailing.",
    "+plus=@formula",
    "\u202eright-to-left",
]


def add_model(world: World, name: str, **values: object) -> None:
    """Let the mirror see one more model, with a version."""
    walk(
        world,
        [
            row_of_the_world(),
            model_row(name, **values),
        ],
        [
            *rows_of_the_world(),
            version_row(1, name, tags={"note": ATTACK}, description=ATTACK),
        ],
    )  # fmt: skip


def test_markup_in_texts_from_outside_is_only_text(world: World, enter: Enter) -> None:
    name = f"evil {ATTACK}"
    add_model(world, name, description=ATTACK, tags={ATTACK: ATTACK})
    publish_and_bind(world, name)
    version = world.version(1, name)
    lay_lineage(world, version, params={ATTACK: ATTACK})
    evidence, _ = audit(world, version, {**V2_RACE, ATTACK: (40, 39, 35, 1)})
    promotion = world.request(1, name=name, note=ATTACK)
    engineer = world.people["engineer"]
    engineer.printed_name = ATTACK
    engineer.save()
    if promotion.status == "in_review":
        world.sign(promotion, "reviewer", reason=ATTACK)
    forged = write_entry(
        ATTACK.encode(),
        event=ATTACK[:60],
        actor_id=ATTACK[:64],
        subject_name=ATTACK,
        subject_digest=ATTACK[:80],
        predicate_type=ATTACK[:100],
    )
    world.sequence()
    raise_alarm(ATTACK[:60], ATTACK, now=world.tick())
    changed = {ATTACK: ATTACK, f"muniment.{ATTACK}": ATTACK}
    add_model(world, name, description=ATTACK, tags=changed, aliases={ATTACK: 1})
    violation = Violation.objects.get()
    set_mode(
        source=RegistrySource.objects.get(),
        pattern=ATTACK,
        mode="warn",
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )
    client = enter("engineer")
    entry = evidence.entry.sha256
    pages = [
        "/",
        "/?q=" + quote(ATTACK),
        reverse("registry:model", args=[name]),
        reverse("registry:version", args=[name, 1]),
        reverse("registry:model-aliases", args=[name]),
        reverse("registry:model-aliases", args=[name]) + "?alias=" + quote(ATTACK.lower()),
        "/aliases/?q=" + quote(ATTACK[:20]),
        "/plan/",
        "/plan/?pattern=" + quote(ATTACK),
        f"/violations/{violation.pk}/",
        "/violations/?state=all&model=" + quote(ATTACK[:20]) + "&source=" + quote(ATTACK),
        f"/promotions/{promotion.pk}/",
        "/promotions/?q=" + quote(ATTACK),
        f"/evidence/{evidence.pk}/",
        "/log/",
        "/log/?model=" + quote(ATTACK),
        "/log/?subject=" + quote(ATTACK),
        "/log/?actor=" + quote(ATTACK),
        "/log/?event=" + quote(ATTACK),
        "/log/?from=" + quote(ATTACK) + "&to=" + quote(ATTACK) + "&state=" + quote(ATTACK),
        "/log/?state=refused",
        f"/log/entries/{forged.sha256}/",
        "/log/health",
        f"/log/entries/{entry}/",
    ]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        markup = answer.content.decode()
        assert "<script>alert" not in markup, page
        assert "<img" not in markup, page
        assert "{{ 7|add:7 }}" in unescape(markup) or "log/" in page, page
    assert world.policy is not None
    pair = quote(f"{world.policy.digest} high")
    preview = enter("admin").get(f"/plan/bind?pattern={quote(name)}&binding={pair}")
    assert (preview.status_code, "<script>alert" in preview.content.decode()) == (200, False)


def test_a_hostile_reason_is_only_text(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = f"/promotions/{promotion.pk}/"
    send(
        enter("reviewer"),
        page,
        "/review",
        verdict="refuse",
        reason=ATTACK,
        meaning=ATTACK[:150],
        password=PASSWORD,
    )
    answer = enter("auditor").get(page)
    assert "<script>alert" not in answer.content.decode()
    assert ATTACK in text_of(answer)


def test_every_name_has_its_pages(world: World, enter: Enter) -> None:
    walk(
        world,
        [row_of_the_world(), *(model_row(name) for name in NAMES)],
        [*rows_of_the_world(), *(version_row(1, name) for name in NAMES)],
    )
    client = enter("engineer")
    inventory = unescape(client.get("/").content.decode())
    for name in NAMES:
        address = reverse("registry:model", args=[name])
        model = client.get(address)
        assert model.status_code == 200, name
        assert " ".join(name.split()) in text_of(model)
        assert f'href="{address}"' in inventory
        address = reverse("registry:version", args=[name, 1])
        version = client.get(address)
        assert version.status_code == 200, name
        assert " ".join(f"{name} v1".split()) in text_of(version)
        found = client.get("/find", {"uri": world.version(1, name).uri})
        assert found["Location"] == address
        # No policy is bound: the page offers no request, and one that is sent is denied.
        answer = post(client, f"{address}promotions", alias="champion")
        assert answer.status_code == 302, name
        assert client.get(answer["Location"]).status_code == 200, name
        said = text_of(client.get("/log/", {"model": name}))
        assert "promotion.denied" in said, name
        assert world.version(1, name).promotions.get().status == "denied"


def test_a_quoted_name_reaches_the_same_page_as_the_scripts_write_it(
    world: World, enter: Enter
) -> None:
    name = "with spaces and 100% sure"
    add_model(world, name)
    client = enter("engineer")
    assert client.get(f"/models/{quote(name, safe='')}/versions/1/").status_code == 200


def test_csv_cells_are_no_formulas(world: World, enter: Enter) -> None:
    for number, name in enumerate(["=1+1", "+cmd", "-2", "@SUM(A1)"]):
        world.tick(minutes=number)
        add_model(world, name)
    content = b"".join(enter("auditor").get("/models.csv?state=gone")).decode()
    content += b"".join(enter("auditor").get("/models.csv")).decode()
    for name in ("=1+1", "+cmd", "-2", "@SUM(A1)"):
        assert f"\n'{name}," in content
    assert f"\n{MODEL}," in content
