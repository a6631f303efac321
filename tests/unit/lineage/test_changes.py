"""Two records leg by leg."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.changes import Change, compare_facts

FACTS: dict[str, Any] = {
    "commit": "a" * 40,
    "remote": "https://git.example/r.git",
    "dataset": {"name": "loans", "sha256": "1" * 64},
    "packages": {"numpy": "2.4.6", "scikit-learn": "1.9.1"},
    "parameters": {"C": "1.0", "solver": "lbfgs"},
    "seed": "0",
    "entry_point": "train.py",
    "base_models": [],
    "capture": None,
}


def changes(**other: Any) -> dict[str, tuple[Change, ...]]:
    return {one.leg: one.changes for one in compare_facts(FACTS, FACTS | other)}


def test_each_leg_is_compared_thing_by_thing() -> None:
    found = changes(
        commit="b" * 40,
        packages={"numpy": "2.4.6", "scikit-learn": "1.9.2", "pandas": "3.0"},
        parameters={"C": "0.5"},
        seed=None,
        dataset={"name": "loans", "sha256": "2" * 64},
    )
    assert found["code"] == (Change("commit", "", "a" * 40, "b" * 40),)
    assert found["data"] == (
        Change("dataset", "training loans", "sha256:" + "1" * 64, "sha256:" + "2" * 64),
    )
    assert found["environment"] == (
        Change("package", "pandas", None, "3.0"),
        Change("package", "scikit-learn", "1.9.1", "1.9.2"),
    )
    assert found["configuration"] == (
        Change("parameter", "C", "1.0", "0.5"),
        Change("parameter", "solver", "lbfgs", None),
        Change("seed", "", "0", None),
    )


def test_what_neither_names_is_not_called_the_same() -> None:
    legs = {one.leg: one for one in compare_facts({}, {})}
    assert not any(leg.is_known for leg in legs.values())
    assert [one.same for one in compare_facts(FACTS, FACTS)] == [2, 1, 2, 4]


@given(
    st.dictionaries(st.text(max_size=5), st.text(min_size=1, max_size=5)),
    st.dictionaries(st.text(max_size=5), st.text(min_size=1, max_size=5)),
)
def test_nothing_changes_against_itself_and_every_change_has_an_opposite(
    first: dict[str, str], second: dict[str, str]
) -> None:
    left, right = FACTS | {"packages": first}, FACTS | {"packages": second}
    assert not any(one.changes for one in compare_facts(left, left))
    there, back = compare_facts(left, right)[2], compare_facts(right, left)[2]
    assert [(one.before, one.after) for one in there.changes] == [
        (one.after, one.before) for one in back.changes
    ]
