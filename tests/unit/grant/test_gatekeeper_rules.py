"""The gatekeeper's rules and names, without MLflow."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.governed import PROMPT_TAG, GovernedNames, fold, is_governed_tag, is_prompt_tag
from muniment.mlflow.methods import JUDGED
from muniment.mlflow.rules import GrantNeeded, NameKind, Refusal, RegistryCall, Verdict, judge_call

GOVERNED = GovernedNames(models=("credit-*", "fraud"), aliases=("champion", "Blessed"))
EVERYTHING = GovernedNames()

text = st.text(max_size=20)
tags = st.lists(
    st.tuples(
        st.sampled_from(["team", "muniment.x", "MUNIMENT.Y", PROMPT_TAG, PROMPT_TAG.title()]),
        st.sampled_from(["", "true", "True", "x"]),
    ),
    max_size=3,
).map(tuple)
calls = st.builds(
    RegistryCall,
    method=st.sampled_from(sorted(JUDGED)),
    name=st.sampled_from(["credit-1", "Fraud", "free"]) | text,
    version=st.sampled_from(["", "1", "x"]),
    alias=st.sampled_from(["champion", "BLESSED", "challenger", ""]) | text,
    new_name=st.sampled_from(["", "fraud", "free-2"]),
    stage=text,
    tags=tags,
    tag_key=st.sampled_from(["team", "muniment.x", PROMPT_TAG]) | text,
)


@dataclass(frozen=True)
class Version:
    """Arguments as MLflow's handlers pass them."""

    key: str
    value: str | None


def judge(
    call: RegistryCall, kind: NameKind = NameKind.MODEL, governed: GovernedNames = GOVERNED
) -> Verdict:
    return judge_call(call, governed=governed, kind_of_name=lambda _: kind)


@given(text)
def test_folding_is_idempotent_and_blind_to_letter_case(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold(name.casefold()) == fold(name)


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_every_letter_case_of_a_governed_alias_is_governed(upper: list[bool]) -> None:
    alias = "".join(
        letter.upper() if is_upper else letter
        for letter, is_upper in zip("champion", upper, strict=True)
    )
    assert EVERYTHING.covers_alias(alias)
    assert is_governed_tag(f"{'Muniment.'.swapcase()}{alias}")


def test_globs_and_aliases_cover_what_they_say() -> None:
    covered = ["credit-1", "CREDIT-", "Fraud", " fraud ", "\uff46raud"]
    free = ["credit", "fraud-2", "my-credit-1", ""]
    assert [name for name in covered + free if GOVERNED.covers_model(name)] == covered
    assert GOVERNED.covers_alias("blessed")
    assert not GOVERNED.covers_alias("challenger")
    assert EVERYTHING.covers_model("anything at all")
    assert not is_prompt_tag("mlflow.prompt.type")
    assert not is_governed_tag("munimental")


@given(calls, st.sampled_from(NameKind))
def test_a_name_that_is_not_governed_is_never_refused(call: RegistryCall, kind: NameKind) -> None:
    nothing = GovernedNames(models=("/",))
    assert judge(call, kind, nothing) is None


@given(calls, st.sampled_from(NameKind))
def test_a_governed_alias_never_passes_on_anything_but_a_prompt(
    call: RegistryCall, kind: NameKind
) -> None:
    verdict = judge(call, kind)
    is_alias_call = call.method.endswith("_registered_model_alias")
    if (
        is_alias_call
        and kind is not NameKind.PROMPT
        and GOVERNED.covers_alias(call.alias)
        and (GOVERNED.covers_model(call.name) or GOVERNED.covers_model(call.new_name))
    ):
        assert verdict is not None
    # The only thing a grant can open is setting an alias.
    assert not isinstance(verdict, GrantNeeded) or (
        call.method == "set_registered_model_alias"
        and verdict.operations == ("set_alias", "rollback_alias", "restore")
    )


@given(calls, st.sampled_from(NameKind), tags)
def test_further_tags_never_turn_a_refusal_into_a_pass(
    call: RegistryCall, kind: NameKind, more: tuple[tuple[str, str], ...]
) -> None:
    if isinstance(judge(call, kind), Refusal) and call.tags:
        members = {name: getattr(call, name) for name in RegistryCall.__slots__}
        extended = RegistryCall(**(members | {"tags": call.tags + more}))
        assert isinstance(judge(extended, kind), Refusal)


@given(calls, st.sampled_from(NameKind))
def test_refusals_are_one_line(call: RegistryCall, kind: NameKind) -> None:
    verdict = judge(call, kind)
    refusal = verdict.refusal if isinstance(verdict, GrantNeeded) else verdict
    if refusal is not None:
        assert f"{refusal.what}{refusal.why}".isprintable()


@pytest.mark.parametrize("method", sorted(JUDGED))
def test_every_judged_method_has_a_rule(method: str) -> None:
    judge(RegistryCall(method=method, name="fraud"))


@pytest.mark.parametrize(
    "method",
    [
        "delete_model_version",
        "delete_registered_model",
        "rename_registered_model",
        "transition_model_version_stage",
    ],
)
@pytest.mark.parametrize("kind", NameKind)
def test_only_what_is_a_prompt_through_and_through_may_go(method: str, kind: NameKind) -> None:
    verdict = judge(RegistryCall(method, "fraud", version="1"), kind)
    assert (verdict is None) == (kind is NameKind.PROMPT)


@pytest.mark.parametrize(
    ("method", "tag", "kind", "passes"),
    [
        ("set_registered_model_tag", (PROMPT_TAG, "true"), NameKind.MODEL, False),
        ("set_registered_model_tag", (PROMPT_TAG, "true"), NameKind.MIXED, False),
        ("set_registered_model_tag", (PROMPT_TAG, "true"), NameKind.PROMPT, True),
        ("set_registered_model_tag", (PROMPT_TAG, "false"), NameKind.PROMPT, False),
        ("set_model_version_tag", (PROMPT_TAG, "true"), NameKind.MODEL, False),
        ("set_model_version_tag", ("mlflow.prompt.text", "x"), NameKind.MODEL, True),
        ("create_model_version", (PROMPT_TAG, "true"), NameKind.MODEL, False),
        ("create_model_version", (PROMPT_TAG, "true"), NameKind.MIXED, False),
        ("create_model_version", (PROMPT_TAG, "true"), NameKind.PROMPT, True),
        ("create_model_version", ("team", "x"), NameKind.MODEL, True),
        ("create_model_version", ("team", "x"), NameKind.PROMPT, False),
        ("create_model_version", ("team", "x"), NameKind.MIXED, False),
        ("create_registered_model", (PROMPT_TAG, "true"), NameKind.MODEL, True),
        ("create_registered_model", (PROMPT_TAG, "TRUE"), NameKind.MODEL, False),
        ("create_registered_model", ("muniment.x", ""), NameKind.PROMPT, False),
    ],
)
def test_the_prompt_tag_marks_prompts_and_nothing_else(
    method: str, tag: tuple[str, str], kind: NameKind, passes: bool
) -> None:
    verdict = judge(RegistryCall(method, "fraud", tags=(tag,), source="dummy-source"), kind)
    assert (verdict is None) == passes


@pytest.mark.parametrize("source", ["s3://bucket/model", "models:/m-1", "", "Dummy-Source"])
def test_a_prompts_version_has_nothing_that_could_be_loaded(source: str) -> None:
    call = RegistryCall(
        "create_model_version", "fraud", tags=((PROMPT_TAG, "true"),), source=source
    )
    assert isinstance(judge(call, NameKind.PROMPT), Refusal)


@pytest.mark.parametrize("kind", NameKind)
def test_the_prompt_tag_comes_off_everything_but_a_prompt(kind: NameKind) -> None:
    verdict = judge(RegistryCall("delete_registered_model_tag", "fraud", tag_key=PROMPT_TAG), kind)
    assert (verdict is None) == (kind is not NameKind.PROMPT)


def test_the_database_is_asked_only_where_it_matters() -> None:
    def never(name: str) -> NameKind:
        raise AssertionError(f"asked about {name}")

    for call in [
        RegistryCall("set_registered_model_alias", "fraud", version="1", alias="challenger"),
        RegistryCall("set_registered_model_alias", "free", version="1", alias="champion"),
        RegistryCall("set_registered_model_tag", "fraud", tags=(("team", "risk"),)),
        RegistryCall("delete_model_version_tag", "fraud", version="1", tag_key="team"),
        RegistryCall("create_registered_model", "fraud", tags=(("team", "risk"),)),
        RegistryCall("delete_registered_model", "free"),
    ]:
        assert judge_call(call, governed=GOVERNED, kind_of_name=never) is None


@pytest.mark.parametrize(
    ("version", "read"),
    [(3, "3"), ("3", "3"), ("03", "3"), (" 3 ", "3"), ("\uff13", "3"), ("x", "x"), (None, "")],
)
def test_versions_are_read_as_mlflow_reads_them(version: object, read: str) -> None:
    call = RegistryCall.from_arguments(
        "set_registered_model_alias", {"name": "m", "alias": None, "version": version}
    )
    assert (call.version, call.alias) == (read, "")


def test_tags_are_read_from_both_places() -> None:
    call = RegistryCall.from_arguments(
        "x", {"name": "m", "tags": [Version("a", "1")], "tag": Version("b", None), "key": "c"}
    )
    assert (call.tags, call.tag_key) == ((("a", "1"), ("b", "")), "c")


def test_no_grant_restores_what_a_used_rollback_grant_is_counted_by() -> None:
    grant_id = "5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"
    for key in (f"muniment.rollback.{grant_id}", f" MUNIMENT.Rollback.{grant_id}"):
        taken = RegistryCall("delete_registered_model_tag", "m", tag_key=key)
        assert taken.change is None
        put_back = RegistryCall("set_registered_model_tag", "m", tags=((key, "{}"),))
        assert put_back.change is not None
    assert RegistryCall("delete_registered_model_tag", "m", tag_key="muniment.x").change
