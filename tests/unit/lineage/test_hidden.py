"""Which versions are asked for one by one: bounded, and one name's numbers cost no other name."""

from __future__ import annotations

from lineage.domain.hidden import MAX_ASKED, MAX_ASKED_OF_ONE, find_hidden
from lineage.domain.rows import ModelVersionRow, RegisteredModelRow
from muniment.governed import PROMPT_TAG

TAGGED = {PROMPT_TAG: "true"}
LARGEST = 2**31 - 1


def model(name: str, latest: int, **values: object) -> RegisteredModelRow:
    return RegisteredModelRow(name, 1, 1, latest_version=latest, **values)  # type: ignore[arg-type]


def tagged(name: str, *numbers: int) -> list[ModelVersionRow]:
    return [ModelVersionRow(name, number, 1, tags=TAGGED) for number in numbers]


def test_only_what_a_tagged_version_may_hide_is_asked_for() -> None:
    models = [model("loans", 4), model("plain", 3), model("empty", 0)]
    versions = [*tagged("loans", 2), ModelVersionRow("plain", 3, 1), *tagged("empty", 1)]
    found = find_hidden(models, versions)
    assert found.asked == (("loans", 1), ("loans", 3), ("loans", 4))
    assert found.unread == set()


def test_the_largest_number_is_not_counted_out_and_costs_no_other_name() -> None:
    models = [model("huge", LARGEST, aliases={"champion": 7, "old": LARGEST}), model("loans", 2)]
    found = find_hidden(models, [*tagged("huge", LARGEST), *tagged("loans", 2)])
    assert found.asked == (("loans", 1), ("huge", 7))
    assert found.unread == {"huge"}


def test_a_name_may_have_so_many_numbers_and_no_more() -> None:
    for latest, unread in ((MAX_ASKED_OF_ONE + 1, set()), (MAX_ASKED_OF_ONE + 2, {"greeting"})):
        found = find_hidden([model("greeting", latest)], tagged("greeting", latest))
        assert found.unread == unread
        assert len(found.asked) == (0 if unread else MAX_ASKED_OF_ONE)


def test_many_prompts_with_gaps_leave_models_their_turn() -> None:
    latest = MAX_ASKED_OF_ONE + 1
    prompts = [model(f"prompt-{one}", latest, tags=TAGGED) for one in range(4)]
    versions = [row for prompt in prompts for row in tagged(prompt.name, latest)]
    loans = model("loans", latest)
    found = find_hidden([*prompts, loans], [*versions, *tagged("loans", latest)])
    assert len(found.asked) <= MAX_ASKED
    assert sum(name == "loans" for name, _ in found.asked) == MAX_ASKED_OF_ONE
    assert found.unread == {"prompt-1", "prompt-2", "prompt-3"}
