"""Recomputations on their pages: ordered, watched, cancelled, and what came out."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from lineage.domain.comparison import Verdict
from lineage.models import DatasetWatch, Recomputation
from tests.integration.recomputations.ordering import (
    Computing,
    Worker,
    lay_captured,
    order,
    perform,
    recomputed,
)
from tests.integration.web.forms import forms_of, send, text_of
from tests.integration.web.world import World

Enter = Callable[[str], Client]
VERSION = "/models/boston-mortgage/versions/2/"
LIST = f"{VERSION}recomputations/"


def test_from_the_versions_page_to_the_verdict(world: World, enter: Enter) -> None:
    lay_captured(world, 2)
    engineer = enter("engineer")
    assert "Not trained again yet" in text_of(engineer.get(VERSION))
    said = text_of(engineer.get(LIST))
    assert "Not recomputed yet" in said
    answer = send(engineer, LIST, "/order", repeats="2", negative_control="yes")
    found = Recomputation.objects.get()
    page = f"/recomputations/{found.pk}/"
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert (found.repeats, found.negative_control) == (2, True)
    assert "Waiting for a worker" in text_of(engineer.get(page))
    assert "It is being recomputed now" in text_of(engineer.get(LIST))
    perform(found, Computing(output=b"epoch 1\nepoch 2\n"))
    said = text_of(engineer.get(page))
    for words in (
        "Identical The model's files came out with the same bytes.",
        "Code Held",
        "Files compared 2, all with the same bytes",
        "Predictions 200 rows, all the same to the last bit",
        "Trained on permuted labels Another model came out. 61 of 200 predictions are others.",
        "accuracy 0.906 0.906 0",
        "Ordered by Erin Engel",
    ):
        assert words in said
    evidence = Recomputation.objects.get().evidence
    assert evidence is not None
    shown = text_of(engineer.get(f"/evidence/{evidence.pk}/"))
    assert "Recomputation of boston-mortgage v2" in shown
    assert "Files compared 2, all with the same bytes" in shown
    assert "Computed by Muniment" in shown
    assert "Identical" in text_of(engineer.get(VERSION))
    assert "Erin Engel" in text_of(engineer.get(LIST))
    assert engineer.get(f"/log/entries/{evidence.entry.sha256}/").status_code == 200


def test_progress_is_asked_for_and_the_page_is_loaded_again_when_it_has_ended(
    world: World, enter: Enter
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    compute = Computing(hold=True, output=b"<script>alert(1)</script>\n\x1b[31mloss 0.1\n")
    worker = Worker(found, compute)
    auditor = enter("auditor")
    page = f"/recomputations/{found.pk}/"
    try:
        assert compute.entered.wait(15)
        while "loss 0.1" not in (shown := auditor.get(page).content.decode()):
            assert worker.is_alive()
    finally:
        compute.release.set()
        worker.join(15)
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "\x1b" not in shown
    assert "Training it again" in shown
    assert "Step 4 of 7" in shown
    assert "Cancel it" not in shown  # an auditor reads
    fragment = auditor.get(f"{page}?was=running", headers={"HX-Request": "true"})
    assert fragment["HX-Refresh"] == "true"
    assert "<html" not in fragment.content.decode()


def test_one_is_cancelled_after_being_asked_whether_that_is_meant(
    world: World, enter: Enter
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    page = f"/recomputations/{found.pk}/"
    assert not any("cancel" in action for action in forms_of(enter("auditor").get(page)))
    reviewer = enter("reviewer")
    assert "Yes, cancel it" in text_of(reviewer.get(page))
    send(reviewer, page, "/cancel")
    said = text_of(reviewer.get(page))
    assert "nothing is concluded from it" in said
    assert f"{LIST}order" in forms_of(reviewer.get(page))  # and it is ordered again from here


def test_what_diverged_and_what_failed_say_why(world: World, enter: Enter) -> None:
    lay_captured(world, 2)
    reason = "The parameter seed was '0' and is '1' now."
    parameters = {"compared": 2, "differing_count": 1, "differing": {"seed": ["0", "1"]}}
    compute = Computing(
        lambda one: recomputed(one.record_sha256, Verdict.DIVERGED, reason, parameters=parameters)
    )
    found = order(world, 2)
    perform(found, compute)
    auditor = enter("auditor")
    said = text_of(auditor.get(f"/recomputations/{found.pk}/"))
    assert "Diverged" in said
    assert "seed 0 1" in said
    failed = order(world, 2)
    for _ in range(3):
        try:
            perform(failed, Computing(fails=RuntimeError("the disk <b>is full</b>")))
        except RuntimeError:
            continue
    page = auditor.get(f"/recomputations/{failed.pk}/")
    assert "It could not be carried out" in text_of(page)
    assert "&lt;b&gt;is full" in page.content.decode()


def test_a_bad_number_of_trainings_is_a_page_that_says_so(world: World, enter: Enter) -> None:
    lay_captured(world, 2)
    for repeats in ("0", "11", "many", "²"):
        answer = send(enter("engineer"), LIST, "/order", repeats=repeats)
        assert answer.status_code == 400
        assert "number" in text_of(answer) or "1 to 10" in text_of(answer)
    assert not Recomputation.objects.exists()


def test_a_page_that_is_not_there_is_not_found(world: World, enter: Enter) -> None:
    auditor = enter("auditor")
    assert auditor.get("/recomputations/5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11/").status_code == 404
    assert auditor.get(LIST.replace("/2/", "/9/")).status_code == 404
    assert auditor.get(f"{LIST}?page=zero").status_code == 200


def test_the_versions_page_says_which_data_changed_where_it_lies(
    world: World, enter: Enter
) -> None:
    DatasetWatch.objects.create(
        version_uri=world.version(2).uri,
        role="training",
        name="<i>loans</i>.csv",
        recorded=f"sha256:{'a' * 64}",
        state="changed",
        reason="its bytes have another digest now",
        read_at=world.now,
        looked_at=world.now,
    )
    page = enter("auditor").get(VERSION)
    assert "Its training data <i>loans</i>.csv is not what was recorded" in text_of(page)
    assert "&lt;i&gt;loans" in page.content.decode()
