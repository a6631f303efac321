"""The digest of an installed distribution is that of its files, however it was installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from muniment import installed
from muniment.installed import tree_sha256_of

WHEEL_ROWS = (
    "loans/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0",
    "loans/fit.py,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5",
    "loans-1.0.dist-info/METADATA,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5",
)


def recorded(folder: Path, *rows: str) -> Path:
    folder.mkdir()
    (folder / "RECORD").write_text("".join(f"{row}\n" for row in rows))
    return folder


def test_two_installers_give_the_same_digest(tmp_path: Path) -> None:
    by_pip = recorded(
        tmp_path / "pip",
        *WHEEL_ROWS,
        "loans/__pycache__/fit.cpython-311.pyc,,",
        "../../../bin/loans,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,200",
        "loans-1.0.dist-info/INSTALLER,sha256=zuuue4knoyJ-UwPPXg8fezS7VCrXJQrAP7zeNuwvFQg,4",
        "loans-1.0.dist-info/RECORD,,",
    )
    by_uv = recorded(
        tmp_path / "uv",
        "loans-1.0.dist-info/uv_cache.json,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,9",
        "loans-1.0.dist-info/REQUESTED,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0",
        *reversed(WHEEL_ROWS),
    )
    assert tree_sha256_of(by_pip) == tree_sha256_of(by_uv) != ""


@pytest.mark.parametrize("row", range(len(WHEEL_ROWS)))
def test_one_other_file_is_another_digest(row: int, tmp_path: Path) -> None:
    rows = list(WHEEL_ROWS)
    whole = recorded(tmp_path / "whole", *rows)
    rows[row] = rows[row].replace("sha256=", "sha256=A", 1)
    assert tree_sha256_of(recorded(tmp_path / "other", *rows)) != tree_sha256_of(whole)
    del rows[row]
    assert tree_sha256_of(recorded(tmp_path / "less", *rows)) != tree_sha256_of(whole)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"loans-1.0.dist-info/RECORD,,\n"])
def test_without_a_record_there_is_no_digest(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "RECORD").write_bytes(content)
    assert tree_sha256_of(tmp_path) == ""


def test_the_interpreter_that_is_asked_describes_itself(tmp_path: Path) -> None:
    """It runs as a foreign interpreter runs it: from its text, with nothing of ours around."""
    (tmp_path / "loans.egg-info").mkdir()
    (tmp_path / "loans.egg-info" / "PKG-INFO").write_text("Name: loans\nVersion: 1.0\n")
    source = Path(installed.__file__).read_text()
    answer = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(answer.stdout)
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    assert said["implementation"] == "cpython"
    found = {each["name"]: each for each in said["distributions"]}
    assert list(found) == sorted(found)
    assert len(found["numpy"]["tree_sha256"]) == 64
    assert found["muniment"]["origin"]["dir_info"] == {"editable": True}
    assert found["muniment"]["roots"] == [str(Path(installed.__file__).resolve().parents[1])]
    # A source tree beside the program is no installed package that an index could give again.
    assert found["loans"]["origin"] == {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
