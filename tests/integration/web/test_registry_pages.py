"""Inventory, models, versions, policies and reports."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from audits.models import Job
from registry.models import PolicyBinding, Promotion, RegisteredModel, RegistrySource
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import (
    World,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    walk,
)

Enter = Callable[[str], Client]


def test_the_inventory_puts_what_needs_action_first(world: World, enter: Enter) -> None:
    world.request(2)
    walk(
        world,
        [row_of_the_world(), model_row("unbound")],
        rows_of_the_world(),
    )
    said = text_of(enter("reviewer").get("/"))
    assert said.index("Review boston-mortgage v2 → champion") < said.index("Risk tier")
    said = text_of(enter("admin").get("/"))
    assert "Bind a policy to unbound" in said
    assert "Needs your action" not in text_of(enter("auditor").get("/"))


def test_a_row_says_what_entitles_a_model_to_run(world: World, enter: Enter) -> None:
    said = text_of(enter("auditor").get("/"))
    row = said[said.index("boston-mortgage") :]
    for words in ("high", "credit-decision v1", "v1 since", "Fail", "reported by the team"):
        assert words in row


def test_counts_are_links_that_filter(world: World, enter: Enter) -> None:
    walk(
        world,
        [row_of_the_world(), model_row("unbound")],
        rows_of_the_world(),
    )
    walk(world, [row_of_the_world()], rows_of_the_world())
    world.request(2)
    client = enter("auditor")
    said = text_of(client.get("/"))
    assert "1 All models" in said
    assert "1 With an open promotion" in said
    assert "1 Gone from MLflow" in said
    gone = client.get("/?state=gone")
    assert "unbound" in text_of(gone)
    assert "boston-mortgage" not in text_of(gone)
    assert "No model fits" in text_of(client.get("/?q=nothing-like-it"))
    assert "boston-mortgage" in text_of(client.get("/?q=MORTGAGE&tier=high"))


def test_the_filtered_inventory_comes_as_csv(world: World, enter: Enter) -> None:
    world.request(2)
    answer = enter("auditor").get("/models.csv?state=open")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert len(rows) == 1
    assert rows[0]["model"] == "boston-mortgage"
    assert rows[0]["champion_version"] == "1"
    assert rows[0]["open_promotion"] == "2"
    assert rows[0]["last_evidence_origin"] == "reported"
    assert rows[0]["policy_digest"].startswith("sha256:")
    assert "attachment" in answer["Content-Disposition"]


def test_the_mirrors_age_is_said_when_it_is_stale(world: World, enter: Enter) -> None:
    client = enter("auditor")
    RegistrySource.objects.update(walked_at=timezone.now())
    assert "MLflow was last read" not in text_of(client.get("/"))
    RegistrySource.objects.update(failed_at=timezone.now(), failure="connection refused")
    said = text_of(client.get("/policies/"))
    assert "MLflow was last read just now" in said
    assert "connection refused" in said
    RegistrySource.objects.update(
        failed_at=None, failure="", walked_at=timezone.now() - timedelta(days=2)
    )
    assert "MLflow was last read 2 days ago" in text_of(client.get("/log/"))


def test_an_empty_inventory_says_what_to_do(world: World, enter: Enter) -> None:
    walk(world, [], [])
    said = text_of(enter("auditor").get("/"))
    assert "1 Gone from MLflow" in said
    assert "No model fits these filters" in said
    RegisteredModel.objects.update(name="hidden")
    assert "Show everything" in said


def test_an_admin_binds_a_policy_on_the_models_page(world: World, enter: Enter) -> None:
    PolicyBinding.objects.all().delete()
    assert "No policy is bound" in text_of(enter("engineer").get("/models/boston-mortgage/"))
    client = enter("admin")
    assert world.policy is not None
    refused = send(
        client,
        "/models/boston-mortgage/",
        "/policy",
        binding=f"{world.policy.digest} low",
    )
    assert refused.status_code == 400
    assert text_of(refused).count("may be bound to the risk tiers high") == 2
    assert "Bind a policy" in text_of(refused)
    assert not PolicyBinding.objects.exists()
    answer = send(
        client,
        "/models/boston-mortgage/",
        "/policy",
        binding=f"{world.policy.digest} high",
    )
    assert answer.status_code == 302
    assert PolicyBinding.objects.get().bound_by == world.people["admin"]
    assert "is now under credit-decision version 1" in text_of(
        client.get("/models/boston-mortgage/")
    )
    for nonsense in ("sha256:0 high", "", "\x00 high", world.policy.digest):
        unknown = post(client, "/models/boston-mortgage/policy", binding=nonsense)
        assert unknown.status_code == 400
        assert "Nothing was bound." in text_of(unknown)


def test_only_what_the_policies_allow_is_offered_for_binding(world: World, enter: Enter) -> None:
    page = enter("admin").get("/models/boston-mortgage/")
    assert world.policy is not None
    assert [pair for pair, _ in page.context["choices"]] == [f"{world.policy.digest} high"]
    assert 'action="/models/boston-mortgage/policy#bind-error"' in page.content.decode()


def test_a_version_without_a_policy_offers_no_request_and_says_who_binds_one(
    world: World, enter: Enter
) -> None:
    PolicyBinding.objects.all().delete()
    page = enter("engineer").get("/models/boston-mortgage/versions/3/")
    assert not [action for action in forms_of(page) if action.endswith("/promotions")]
    said = text_of(page)
    assert "An admin binds one on the model's page" in said
    assert "a promotion would be denied at once" in said


def test_a_promotion_that_was_followed_by_another_says_so(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    Promotion.objects.filter(pk=promotion.pk).update(status="executed")
    assert "Promoted, replaced since" in text_of(enter("auditor").get("/models/boston-mortgage/"))
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    said = text_of(enter("auditor").get("/models/boston-mortgage/"))
    assert "Promoted" in said
    assert "replaced since" not in said


def test_a_version_page_shows_the_decision_of_now(world: World, enter: Enter) -> None:
    client = enter("auditor")
    denied = text_of(client.get("/models/boston-mortgage/versions/3/"))
    assert "If it were promoted to champion now Deny" in denied
    assert "32 bits over a sample of the rows" in denied
    assert "Weak" in denied
    reigning = text_of(client.get("/models/boston-mortgage/versions/1/"))
    assert "Would the policy let it be champion today? Deny" in reigning
    pending = text_of(client.get("/models/boston-mortgage/versions/2/"))
    assert "If it were promoted to champion now Pending" in pending
    for leg in ("Code Recorded", "Data Recorded", "Environment Verified", "Configuration Recorded"):
        assert leg in pending
    assert "Artifacts (3 files)" in pending
    assert "lineage.recorded" in pending


def test_a_policy_is_explained_and_its_bytes_are_handed_out(world: World, enter: Enter) -> None:
    client = enter("auditor")
    assert world.policy is not None
    digest = world.policy.digest.removeprefix("sha256:")
    said = text_of(client.get(f"/policies/{digest}/"))
    assert "No group by race is selected at less than 80% of the rate" in said
    assert "2 approvals by reviewer" in said
    assert "boston-mortgage" in said
    assert "Regulation B" in said
    document = client.get(f"/policies/{digest}/document").content
    assert hashlib.sha256(document).hexdigest() == digest


def test_a_report_is_ordered_watched_and_downloaded(world: World, enter: Enter) -> None:
    client = enter("auditor")
    ordered = send(client, "/models/boston-mortgage/versions/2/", "/report")
    assert ordered.status_code == 302
    job = Job.objects.get(kind=Job.Kind.REPORT)
    assert ordered["Location"] == f"/reports/jobs/{job.pk}/"
    page = client.get(ordered["Location"])
    assert "being made" in text_of(page)
    assert "hx-get" in page.content.decode()
    again = send(client, "/models/boston-mortgage/versions/2/", "/report")
    assert again["Location"] == ordered["Location"]
    fragment = client.get(ordered["Location"], headers={"HX-Request": "true"})
    assert "<html" not in fragment.content.decode()
    Job.objects.update(status=Job.Status.FAILED, error="secret path /work/x")
    failed = client.get(ordered["Location"])
    assert "could not be made" in text_of(failed)
    assert "secret" not in failed.content.decode()
    assert "hx-get" not in failed.content.decode()


def test_the_link_in_a_refusal_leads_to_the_promotion_or_to_where_one_is_requested(
    world: World, enter: Enter
) -> None:
    client = enter("engineer")
    page = "/models/boston-mortgage/versions/2/"
    link = f"{page}promotions/champion"
    assert client.get(link, {"source": "default"})["Location"] == f"{page}?source=default"
    assert client.get(link)["Location"] == page
    promotion = world.request(2)
    for alias in ("champion", "Champion"):
        answer = client.get(f"{page}promotions/{alias}")
        assert answer["Location"] == f"/promotions/{promotion.pk}/"
    assert client.get(f"{page}promotions/challenger")["Location"] == page
    assert client.get("/models/boston-mortgage/versions/99/promotions/champion").status_code == 404
    asked = Client().get(link)["Location"]
    assert asked == f"/sign-in?next={link}"
