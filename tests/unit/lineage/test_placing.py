"""Where data sets stand inside the sandbox, and how a command is called there."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.placing import (
    CODE,
    DATA,
    WORK,
    import_roots,
    is_interpreter,
    local_arguments,
    may_stand_at,
    place_datasets,
    starting_folder,
)
from muniment.attest.digest import Digest
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import Command, LineageFile

PYTHON = PurePosixPath("/root/.pyenv/versions/3.11.7")


def reference(place: str, uri: str = "", content: bytes = b"") -> DatasetReference:
    return DatasetReference(
        role="training",
        name="x",
        kind="file",
        uri=uri,
        digest=Digest.of_bytes(content),
        size_bytes=0,
        place=place,
    )


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("data/loans.csv", "/job/code/data/loans.csv"),
        ("/srv/loans.csv", "/srv/loans.csv"),
        ("/tmp/loans.csv", "/tmp/loans.csv"),
        ("", "/job/data/0/loans.csv"),
        ("../loans.csv", "/job/data/0/loans.csv"),
        (".git/hooks/x", "/job/data/0/x"),
        (".", "/job/data/0/data"),
        ("/", "/job/data/0/data"),
        ("//etc/x", "/job/data/0/x"),
        ("/etc/passwd", "/job/data/0/passwd"),
        ("/usr", "/job/data/0/usr"),
        ("/srv/../etc/passwd", "/job/data/0/passwd"),
        ("/job/code/train.py", "/job/data/0/train.py"),
        ("/muniment/results.py", "/job/data/0/results.py"),
        # A mount over the interpreter, or over what holds it, would be run as it.
        ("/root/.pyenv/versions/3.11.7/bin/python3.11", "/job/data/0/python3.11"),
        ("/root", "/job/data/0/root"),
    ],
)
def test_a_data_set_stands_where_it_was_or_in_a_folder_of_its_own(place: str, target: str) -> None:
    [placed] = place_datasets([reference(place, "s3://bucket/loans.csv")], [PYTHON])
    assert placed.target == PurePosixPath(target)


PLACES = st.text(st.sampled_from("ab/.-~\n etcusrjob"), max_size=12)


@given(st.lists(st.tuples(PLACES, PLACES, st.binary(max_size=1)), max_size=6))
def test_none_stands_in_another_or_at_a_part_of_the_system(
    named: list[tuple[str, str, bytes]],
) -> None:
    placed = place_datasets([reference(*one) for one in named], [PYTHON])
    targets = {one.target for one in placed} | {PYTHON}
    for target in targets:
        assert not any(other in target.parents for other in targets)
        inside = [place for place in (CODE, DATA) if place in target.parents]
        assert inside or may_stand_at(target)
        assert ".." not in target.parts
        assert "\n" not in str(target) or not inside
    assert len(placed) == len(named)


def test_what_has_two_roles_stands_once() -> None:
    one, two = reference("x.csv"), reference("x.csv")
    other = reference("x.csv", content=b"other")
    first, second, third = place_datasets([one, two, other], [])
    assert first.target == second.target == CODE / "x.csv"
    assert third.target == DATA / "2/x.csv"


def test_arguments_name_a_data_set_where_it_stands() -> None:
    placed = place_datasets(
        [reference("data/a.csv"), reference("", "s3://b/a.csv"), reference("/etc/x")], []
    )
    given_arguments = ("python", "data/a.csv", "s3://b/a.csv", "--x=/etc/x", "--y=z", "s3://b/a")
    assert local_arguments(given_arguments, placed) == (
        *("python", "data/a.csv", "/job/data/1/a.csv", "--x=/job/data/2/x", "--y=z", "s3://b/a"),
    )


@pytest.mark.parametrize(
    ("folder", "inside"),
    [("", "/job/code"), ("src", "/job/code/src"), ("..", None), ("/etc", None), ("a\n", None)],
)
def test_a_command_starts_in_the_code_and_nowhere_else(folder: str, inside: str | None) -> None:
    capture = LineageFile("", "", "run", command=Command(folder=folder, import_roots=(folder,)))
    expected = None if inside is None else PurePosixPath(inside)
    assert starting_folder(capture) == expected
    assert import_roots(capture) == (() if expected is None else (expected,))
    assert expected is None or WORK in expected.parents


def test_python_is_told_by_its_name() -> None:
    for name in ("python", "python3", "/home/x/.venv/bin/python3.11"):
        assert is_interpreter(name)
    for name in ("python2", "pythonic", "/python/bin/train", "ipython", ""):
        assert not is_interpreter(name)
