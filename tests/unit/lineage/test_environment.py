from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.environment import read_environment


def test_full_freeze_is_exact() -> None:
    found = read_environment(b"# frozen\nnumpy==2.4.6\n\nScikit_Learn==1.9.1  # pinned\n")
    assert found.packages == {"numpy": "2.4.6", "scikit-learn": "1.9.1"}
    assert found.is_exact


@pytest.mark.parametrize(
    "line",
    [
        "celery[redis]==5.7.0",
        "uvloop==0.21 ; sys_platform != 'win32'",
        "torch==2.9.0+cu128",
        "a===1.0",
        "numpy==2.4.6 --hash=sha256:ab12 --hash=sha256:cd34",
        "numpy==2.4.6 \\\n    --hash=sha256:ab12",
    ],
)
def test_exact_pins_are_recognised(line: str) -> None:
    assert read_environment(line.encode()).is_exact


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy>=2",
        "numpy~=2.4",
        "numpy==2.*",
        "numpy==2.4,<3",
        "numpy<=2.4.6",
        "-e .",
        "-r other.txt",
        "--index-url https://example.org",
        "git+https://example.org/x.git@main",
        "x @ https://example.org/x.whl",
        "./local",
        "==1.0",
    ],
)
def test_anything_else_is_named(line: str) -> None:
    found = read_environment(f"pandas==3.1.1\n{line}\n".encode())
    assert found.inexact == (line,)
    assert not found.is_exact


def test_package_pinned_to_two_versions_is_not_exact() -> None:
    assert read_environment(b"numpy==2.4.6\nNumPy==2.4.5\n").inexact == ("NumPy==2.4.5",)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe"])
def test_nothing_readable_is_not_exact(content: bytes) -> None:
    assert not read_environment(content).is_exact


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_raising(content: bytes) -> None:
    found = read_environment(content)
    assert found.is_exact is (bool(found.packages) and not found.inexact)
