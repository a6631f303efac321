"""Files of a model, scanned in the sandbox: what would run is found, and nothing runs."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lineage.recompute import scanning
from lineage.recompute.limits import MIB, Limits
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.scanning import FileScanner, ScanFailed

TOUCHED = "/tmp/muniment-scan-ran"


class Payload:
    """What an attacker pickles: it runs when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {TOUCHED}",)


def fitted() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


def archived(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return out.getvalue()


def of_objects() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([Payload()], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.fixture
def scan(sandbox: Sandbox, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def scan(limits: Limits = scanning.SCAN_LIMITS, **files: bytes) -> dict[str, Any]:
        for name, content in files.items():
            path = tmp_path / "model" / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return FileScanner(sandbox, limits).scan(tmp_path)

    return scan


def test_a_usual_model_has_nothing_worse_than_what_loading_it_needs(
    scan: Callable[..., dict[str, Any]],
) -> None:
    found = scan(model_pkl=pickle.dumps(fitted()), MLmodel=b"flavors: {}\n")
    assert (found["files"], found["formats"]) == (2, {"text": 1, "pickle": 1})
    assert found["unscanned"] == []
    assert {one["severity"] for one in found["findings"]} == {"low"}
    assert "sklearn.linear_model._logistic.LogisticRegression" in {
        one["rule"] for one in found["findings"]
    }
    assert found["scanner"] == "picklescan"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model_pkl", pickle.dumps(Payload())),
        ("model_pkl", pickle.dumps(Payload(), protocol=0)),
        ("sub__model_bin", pickle.dumps({"weights": Payload()}, protocol=4)),
        ("model_txt", pickle.dumps(Payload())),
        ("model_pt", archived(pickle.dumps(Payload()))),
        ("arrays_npy", of_objects()),
    ],
)
def test_what_would_run_is_critical_wherever_it_hides_and_does_not_run(
    scan: Callable[..., dict[str, Any]], name: str, content: bytes
) -> None:
    found = scan(**{name: content})
    assert "critical" in {one["severity"] for one in found["findings"]}
    assert not Path(TOUCHED).exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model_pkl", pickle.dumps(fitted())[:100]),
        ("model_joblib", zlib.compress(pickle.dumps(Payload()))),
        ("model_h5", b"\x89HDF\r\n\x1a\n" + bytes(64)),
        ("weights_bin", b"\x01\x02\x00\x03" * 40),
    ],
)
def test_what_cannot_be_judged_is_unscanned_and_never_clean(
    scan: Callable[..., dict[str, Any]], name: str, content: bytes
) -> None:
    found = scan(**{name: content})
    assert [one["path"] for one in found["unscanned"]] == [name.replace("_", ".")]


def test_arrays_of_joblib_are_not_taken_for_read(
    scan: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    joblib.dump(fitted(), tmp_path / "dumped")
    found = scan(model_joblib=(tmp_path / "dumped").read_bytes())
    assert found["unscanned"]


def test_a_scanner_that_does_not_end_well_says_nothing(
    scan: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(ScanFailed, match="before it was done"):
        scan(Limits(memory_bytes=512 * MIB, wall_seconds=0.05), model_pkl=pickle.dumps(fitted()))


def test_files_without_code_need_no_scanner_and_source_code_is_told(
    scan: Callable[..., dict[str, Any]],
) -> None:
    found = scan(
        model_safetensors=b"\x10\0\0\0\0\0\0\0{}" + bytes(32),
        code__helpers_py=b"import os\n",
        input_parquet=b"PAR1" + bytes(16),
    )
    assert found["formats"] == {"safetensors": 1, "python": 1, "parquet": 1}
    assert found["findings"] == [
        {"path": "code/helpers.py", "rule": "source code", "severity": "low"}
    ]
    assert found["unscanned"] == []
