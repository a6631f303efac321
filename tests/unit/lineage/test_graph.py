"""What a record ties together, and what somebody may look for."""

from __future__ import annotations

from typing import Any

import pytest

from lineage.domain.graph import (
    MAX_OUTPUTS,
    Edge,
    NotSought,
    Role,
    Sought,
    base_models_in,
    edges_of,
    package_key,
    parse_sought,
)

URI = "muniment://prod%20eu/models/fraud@1/versions/3"
SHA = "a" * 64


def drawn(**facts: Any) -> tuple[Edge, ...]:
    return edges_of(
        version_uri=URI,
        model_name="fraud",
        subject_digest=f"dirHash:{SHA}",
        has_artifacts=True,
        facts=facts,
    ).edges


def test_a_version_is_found_by_its_files_and_by_its_name_in_its_own_registry() -> None:
    assert drawn() == (
        Edge(Role.MODEL, f"dirHash:{SHA}"),
        Edge(Role.MODEL, "models:/fraud/3?source=prod eu"),
    )
    # One without files has no digest that two could share.
    [named] = edges_of(
        version_uri=URI,
        model_name="fraud",
        subject_digest=f"sha256:{SHA}",
        has_artifacts=False,
        facts={},
    ).edges
    assert named.key.startswith("models:/")


def test_a_name_of_another_registry_is_another_node() -> None:
    tuned = drawn(base_models=["models:/base/1"])
    assert Edge(Role.BASE_MODEL, "models:/base/1?source=prod eu", "models:/base/1") in tuned


def test_only_exact_versions_and_digests_are_base_models() -> None:
    exact = f"models:/base/1 sha256:{SHA}"
    said = f"{exact} models:/base/latest models:/base@champion sha256:12 models:/base/0"
    assert base_models_in(said) == ("models:/base/1", f"sha256:{SHA}")
    assert base_models_in("") == ()
    assert len(base_models_in(" ".join(f"models:/m/{number}" for number in range(1, 99)))) == 10


def test_an_artifact_is_one_edge_however_often_it_is_named() -> None:
    edges = drawn(base_models=[f"sha256:{SHA}", f"sha256:{SHA}"])
    assert len(edges) == 3


def test_so_many_outputs_become_nodes_and_no_more() -> None:
    capture = {
        "format": "https://muniment.dev/lineage-file/v1",
        "captured_at": "2026-11-20T08:00:00Z",
        "kit": "1",
        "mode": "run",
        "code": {
            "commit": "",
            "remote": "",
            "is_dirty": None,
            "diff_sha256": "",
            "notebook": "",
        },
        "command": {"arguments": [], "folder": "", "environment": {}, "import_roots": []},
        "seeds": {},
        "environment": {
            "python": "",
            "implementation": "",
            "platform": "",
            "lock_sha256": "",
            "uv_lock_sha256": "",
            "packages": [],
            "inexact": [],
        },
        "datasets": [],
        "outputs": {f"{n:05}.csv": f"{n:064x}" for n in range(MAX_OUTPUTS + 9)}
        | {"x": "no digest"},
        "faults": [],
    }
    outputs = [edge for edge in drawn(capture=capture) if edge.role is Role.OUTPUT]
    assert len(outputs) == MAX_OUTPUTS


@pytest.mark.parametrize(
    ("text", "sought"),
    [
        (f" sha256:{SHA} ", Sought(keys=(f"sha256:{SHA}",))),
        (f"dirHash:{SHA.upper()}", Sought(keys=(f"dirHash:{SHA}",))),
        (SHA, Sought(keys=(f"sha256:{SHA}", f"dirHash:{SHA}", f"gitCommit:{SHA}"))),
        ("4f2a91c", Sought(prefixes=("gitCommit:4f2a91c",))),
        ("gitCommit:4F2A91C", Sought(prefixes=("gitCommit:4f2a91c",))),
        ("Scikit_Learn == 1.3.0", Sought(keys=("scikit-learn==1.3.0",))),
        ("models:/a/b/12", Sought(prefixes=("models:/a/b/12?source=",))),
        ("models:/a/1?source=s", Sought(keys=("models:/a/1?source=s",))),
    ],
)
def test_what_somebody_pastes_is_understood(text: str, sought: Sought) -> None:
    assert parse_sought(text) == sought


@pytest.mark.parametrize(
    "text",
    ["", "4f2a9", "loanapp", "numpy", "numpy>=2", "md5:abc", "sha256:12", "models:/a/latest"],
)
def test_what_names_no_artifact_is_refused(text: str) -> None:
    with pytest.raises(NotSought, match="names no artifact"):
        parse_sought(text)


def test_a_package_has_one_key_however_its_name_is_written() -> None:
    assert package_key("Zope.Interface", "5") == package_key("zope_interface", "5")
