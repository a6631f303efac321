"""Whether this is a notebook, told from what its kernel leaves around."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from muniment.capture import recording


def kernel(monkeypatch: pytest.MonkeyPatch, shell: Any) -> None:
    """Stand in for IPython, which is no part of this environment."""
    stand_in = ModuleType("IPython")
    stand_in.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", stand_in)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


def test_program_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert recording._notebook() == ""


@pytest.mark.parametrize("shell", [None, SimpleNamespace(user_ns={})], ids=["imported", "terminal"])
def test_ipython_without_a_kernel_is_no_notebook(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(monkeypatch, shell)
    assert recording._notebook() == ""


@pytest.mark.parametrize(
    ("names", "session", "path"),
    [
        ({}, "", "notebook"),
        ({}, "models/train.ipynb", "models/train.ipynb"),
        ({"__vsc_ipynb_file__": "/work/train.ipynb"}, "", "/work/train.ipynb"),
    ],
)
def test_notebook_is_named_where_its_path_is_known(
    names: dict[str, str], session: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(monkeypatch, SimpleNamespace(kernel=object(), user_ns=names))
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert recording._notebook() == path
