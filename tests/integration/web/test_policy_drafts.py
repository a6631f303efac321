"""Drafts of policies, and two versions beside each other, as pages."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from accounts.models import Proposal
from accounts.services.people import actor_of
from audits.models import LogEntry
from registry.errors import DraftChanged
from registry.models import Policy, PolicyDraft
from registry.services.policy_drafts import edit_draft, start_draft
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.test_replay import publish_next
from tests.integration.web.world import PASSWORD, World
from tests.policies import lenient_credit_decision

Enter = Callable[[str], Client]
NEXT = lenient_credit_decision(version=2)
STRICTER = NEXT.replace("at_least: 0.55", "at_least: 0.65").replace("count: 2", "count: 3")


def start(client: Client, text: str) -> str:
    """Keep a new draft through the page and return where it is."""
    answer = send(client, "/policies/drafts/new", "/start", document=text)
    assert answer.status_code == 302, text_of(answer)
    return answer["Location"]


def test_a_draft_is_kept_with_its_problems_and_where_they_are(world: World, enter: Enter) -> None:
    client = enter("admin")
    entries = LogEntry.objects.count()
    broken = NEXT.replace("at_least: 0.55", "at_least: high").replace("count: 2", "count: none")
    page = start(client, broken)
    said = text_of(client.get(page))
    line = broken[: broken.index("at_least: high")].count("\n") + 1
    assert f"{line} gates[3].at_least 'high' a number from 1/1000 to 1" in said
    line = broken[: broken.index("count: none")].count("\n") + 1
    assert f"{line} approvals.count 'none' a whole number from 0 to 10" in said
    assert "Propose it" not in said
    # It decides nothing, so that nothing is said of it in the log.
    assert LogEntry.objects.count() == entries
    assert Policy.objects.count() == 1
    assert "A draft with 2 problems" in text_of(client.get("/policies/"))
    saved = send(client, page, "/edit", document=NEXT)
    assert saved.status_code == 302
    assert "This is a policy that can be published." in text_of(client.get(page))
    assert "credit-decision v2" in text_of(client.get("/policies/"))


@pytest.mark.parametrize(
    "text", ["name: [", "a: &x 1\nb: *x\n", "[" * 5_000, "just words", "a: 1\n---\nb: 2\n"]
)
def test_what_cannot_be_read_at_all_is_kept_too(world: World, enter: Enter, text: str) -> None:
    client = enter("admin")
    page = start(client, text)
    answer = client.get(page)
    assert answer.status_code == 200
    assert "What is wrong with it" in text_of(answer)


def test_a_draft_is_shown_beside_the_version_published_last(world: World, enter: Enter) -> None:
    client = enter("admin")
    said = text_of(client.get(start(client, STRICTER)))
    assert "1 gate, 2 others" in said
    assert "Balanced accuracy is at least 0.55." in said
    assert "Balanced accuracy is at least 0.65." in said
    assert "approvals.count 2 3" in said
    same = client.get(start(client, lenient_credit_decision()))
    assert "These exact bytes are published already." in text_of(same)
    outdated = text_of(client.get(start(client, lenient_credit_decision() + "# a word\n")))
    assert "Give this document version 2." in outdated
    assert "Propose it" not in outdated


def test_a_draft_starts_from_a_published_version_or_a_file(world: World, enter: Enter) -> None:
    client = enter("admin")
    policy = Policy.objects.get()
    page = client.get(f"/policies/drafts/new?from={policy.digest.removeprefix('sha256:')}")
    assert "four-fifths yardstick" in page.content.decode()
    token = forms_of(page)["/policies/drafts/start"]["csrfmiddlewaretoken"]

    def upload(content: bytes) -> HttpResponse:
        return client.post(
            "/policies/drafts/start",
            {
                "document": "ignored",
                "csrfmiddlewaretoken": token,
                "file": SimpleUploadedFile("policy.yaml", content),
            },
        )

    assert upload(NEXT.encode()).status_code == 302
    assert PolicyDraft.objects.get().document == NEXT
    # A file that is too long or no text is refused in words, and nothing is kept.
    for content in (b"\xff\xfe", b"#" * 40_000, b"a\0b"):
        refused = upload(content)
        assert refused.status_code == 400
        assert "Nothing was kept." in text_of(refused)
    assert PolicyDraft.objects.count() == 1


def test_who_edited_meanwhile_is_not_overwritten(world: World, enter: Enter) -> None:
    client = enter("admin")
    page = start(client, NEXT)
    draft_id = UUID(page.rstrip("/").rpartition("/")[2])
    opened = forms_of(client.get(page))[f"{page}edit"]
    edit_draft(
        draft_id=draft_id,
        document=STRICTER,
        revision=1,
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )
    late = client.post(f"{page}edit", {**opened, "document": NEXT + "# mine\n"})
    assert late.status_code == 409
    assert "Somebody else edited this draft meanwhile" in text_of(late)
    assert "# mine" in late.content.decode()
    draft = PolicyDraft.objects.get()
    assert (draft.document, draft.revision) == (STRICTER, 2)
    for ending in ("publish", "discard"):
        stale = post(client, f"{page}{ending}", revision="1", password=PASSWORD)
        assert stale.status_code == 409
    assert PolicyDraft.objects.exists()
    assert not Proposal.objects.filter(kind="policy.publish").exists()
    with pytest.raises(DraftChanged):
        edit_draft(
            draft_id=draft_id,
            document=NEXT,
            revision=1,
            actor=actor_of(world.people["admin"]),
            now=world.tick(),
        )


def test_a_draft_is_thrown_away(world: World, enter: Enter) -> None:
    client = enter("admin")
    page = start(client, NEXT)
    assert send(client, page, "/discard")["Location"] == "/policies/"
    assert client.get(page).status_code == 404
    assert post(client, f"{page}edit", document=NEXT, revision="1").status_code == 404


def test_only_admins_write_drafts_and_everybody_reads_them(world: World, enter: Enter) -> None:
    page = start(enter("admin"), NEXT)
    for username in ("engineer", "reviewer", "auditor"):
        client = enter(username)
        answer = client.get(page)
        assert answer.status_code == 200
        assert not [action for action in forms_of(answer) if "drafts" in action]
        assert "New draft" not in text_of(client.get("/policies/"))
        assert client.get("/policies/drafts/new").status_code == 403
        for ending in ("start", f"{page.split('/')[-2]}/edit", f"{page.split('/')[-2]}/discard"):
            refused = post(client, f"/policies/drafts/{ending}", document=STRICTER, revision="1")
            assert refused.status_code == 403
        assert post(client, f"{page}publish", revision="1").status_code == 403
    assert PolicyDraft.objects.get().document == NEXT


def test_a_draft_is_published_by_its_exact_bytes(world: World, enter: Enter) -> None:
    client = enter("admin")
    page = start(client, STRICTER.replace("\n", "\r\n"))
    assert "Propose it" in text_of(client.get(page)) or "Publish it" in text_of(client.get(page))
    answer = send(client, page, "/publish", password=PASSWORD)
    assert answer.status_code == 302, text_of(answer)
    proposal = Proposal.objects.filter(kind="policy.publish").first()
    if proposal is None:
        assert bytes(Policy.objects.get(version=2).document) == STRICTER.encode()
    else:
        assert not Policy.objects.filter(version=2).exists()
        assert STRICTER in bytes(proposal.content).decode().encode().decode("unicode_escape")


def test_two_published_versions_stand_beside_each_other(world: World, enter: Enter) -> None:
    client = enter("auditor")
    first = Policy.objects.get()
    alone = client.get(f"/policies/{first.digest.removeprefix('sha256:')}/compare")
    assert "There is nothing before this version" in text_of(alone)
    second = publish_next(world, without_bias=True)
    compared = client.get(f"/policies/{second.digest.removeprefix('sha256:')}/compare")
    said = text_of(compared)
    assert "credit-decision v2 beside credit-decision v1" in said
    assert "2 gates, 1 other" in said
    assert "version 1 2" in said
    assert "No adverse impact by race bias-race gone" in said
    assert "<del>version: 1</del>" in compared.content.decode()
    assert "<ins>version: 2</ins>" in compared.content.decode()
    back = client.get(
        f"/policies/{first.digest.removeprefix('sha256:')}/compare"
        f"?with={second.digest.removeprefix('sha256:')}"
    )
    assert "No adverse impact by race bias-race new" in text_of(back)
    assert client.get(f"/policies/{'0' * 64}/compare").status_code == 404
    assert (
        client.get(f"/policies/{first.digest.removeprefix('sha256:')}/compare?with=x").status_code
        == 404
    )


def test_there_is_an_end_to_the_drafts(world: World) -> None:
    from registry.errors import InvalidRequest
    from registry.services.policy_drafts import MAX_DRAFTS

    admin = actor_of(world.people["admin"])
    PolicyDraft.objects.bulk_create(
        PolicyDraft(
            document="a", title="A", edited_by=world.people["admin"], edited_at=world.tick()
        )
        for _ in range(MAX_DRAFTS)
    )
    with pytest.raises(InvalidRequest, match="Discard one"):
        start_draft(document=NEXT, actor=admin, now=world.tick())
