"""What a training leaves for the server to read, by programs that would rather harm it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.recompute import results, training
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import MIB
from lineage.recompute.training import Trained
from tests.integration.recompute.trainings import FORGED

MODEL = """
os.makedirs("/job/out/model")
open("/job/out/model/MLmodel", "w").write("flavors: {}")
%s
"""


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("os.symlink('HOST/secret', '/job/out/model/weights')", "'weights' is a link"),
        ("os.symlink('HOST', '/job/out/model/folder')", "'folder' is a link"),
        ("os.mkfifo('/job/out/model/pipe')", "'pipe' is not an ordinary file"),
        ("os.mknod('/job/out/model/socket', 0o140644)", "'socket' is a link, or cannot be read"),
        (
            "os.makedirs('/job/out/model/' + '/'.join('d' * 60))",
            "its folders are too deep",
        ),
        (
            "open('/job/out/model/sparse', 'wb').truncate(2 * 10**9)",
            "it is larger than may be",
        ),
        ("open(b'/job/out/model/\\xff', 'w')", "is no text"),
        (
            "os.rename('/job/out', '/job/real'); os.symlink('/job/real', '/job/out')",
            "out is a link",
        ),
    ],
    ids=[
        *("file link", "folder link", "pipe", "socket", "deep", "sparse", "name", "model link"),
    ],
)
def test_what_a_program_leaves_for_the_server_to_read_is_not_followed(
    left: str,
    said: str,
    train: Callable[..., Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "secret").write_text("of the host")
    # Sparse files are as large as they say; here a smaller figure does as well.
    monkeypatch.setattr(training, "_MAX_MODEL_BYTES", 10 * MIB)
    program = FORGED % (MODEL % left.replace("HOST", str(tmp_path)))
    with pytest.raises(RecomputeError, match=said) as caught:
        train(program)
    assert caught.value.code == "outputs.refused"
    assert [path.name for path in (tmp_path / "work").iterdir()] == []


ENDLESS = """
database.execute("DROP TABLE params")
database.execute('''CREATE VIEW params AS WITH RECURSIVE n(key) AS
    (SELECT 1 UNION ALL SELECT key + 1 FROM n)
    SELECT %s AS key, 1 AS value, 'r' AS run_uuid FROM n''')
"""
DATABASE = "/job/mlflow/mlflow.db"


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ("database.execute('UPDATE runs SET artifact_uri = \"/etc\"')", ""),
        ("database.execute('UPDATE runs SET artifact_uri = \"/job/../etc\"')", ""),
        ("database.execute(\"UPDATE runs SET artifact_uri = CAST(X'ff' AS TEXT)\")", ""),
        ("note('a', '\\0')", "unreadable"),
        ("for n in range(20_000): note(str(n), 'x' * 6000)", ""),
        (ENDLESS % "key", ""),
        (ENDLESS % "max(key)", "unreadable"),
        (f"open('{DATABASE}', 'wb').write(os.urandom(100_000))", "unreadable"),
        (f"os.unlink('{DATABASE}')", "unreadable"),
        (f"os.unlink('{DATABASE}'); os.mkfifo('{DATABASE}')", "unreadable"),
        (f"os.unlink('{DATABASE}'); os.symlink('/etc/passwd', '{DATABASE}')", "unreadable"),
    ],
)
def test_a_database_that_a_program_forged_harms_nobody(
    forged: str, code: str, train: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_LIMITS", replace(results._LIMITS, wall_seconds=1.5))
    if not code:
        trained = train(FORGED % forged)
        assert trained.model is None
        assert len(trained.parameters) <= 2_000
        return
    with pytest.raises(RecomputeError) as caught:
        train(FORGED % forged)
    assert caught.value.code == f"outputs.{code}"
