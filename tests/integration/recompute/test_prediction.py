"""Models asked for predictions in the sandbox: a real one, and one that tells what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB, Limits
from lineage.recompute.prediction import predict
from lineage.recompute.sandbox import Sandbox

LIMITS = Limits(memory_bytes=2 * GIB, wall_seconds=120)
# The tests' own environment stands for one that was rebuilt: it has MLflow and scikit-learn.
ENVIRONMENT = Environment(Path(sys.prefix), Path(sys.executable), "3.11", is_cached=True)
TABLE = [
    {"name": "income", "type": "double", "values": [1.0, 9.0, None, 8.0]},
    {"name": "late", "type": "long", "values": [3, 0, 2, 0]},
]
SAVE = """
import sys
from pathlib import Path
import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingClassifier

folder = Path(sys.argv[1])
inputs = pd.DataFrame({"income": [1.0, 9.0, 2.0, 8.0] * 20, "late": [3, 0, 2, 0] * 20})
fitted = HistGradientBoostingClassifier(random_state=0).fit(inputs, [0, 1, 0, 1] * 20)
mlflow.sklearn.save_model(
    fitted, folder / "boosted", serialization_format="cloudpickle",
    signature=infer_signature(inputs, fitted.predict(inputs)),
)

class Answering(mlflow.pyfunc.PythonModel):
    def __init__(self, answer):
        self.answer = answer
    def predict(self, context, model_input, params=None):
        return self.answer(model_input)

def telling(rows):
    import os
    print("SEEN", rows.to_json(), flush=True)
    Path("/job/copied.json").write_text(rows.to_json())
    return [f"uid {os.getuid()}"] * len(rows)

ANSWERS = {"telling": telling, "talking": lambda rows: [rows.to_json() * 9] * len(rows)}
for name, answer in ANSWERS.items():
    mlflow.pyfunc.save_model(folder / name, python_model=Answering(answer))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SAVE, str(folder)],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"},
    )
    return folder


@pytest.fixture
def ask(models: Path, tmp_path: Path) -> Callable[[str], dict[str, list[object]]]:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(TABLE), encoding="utf-8")

    def ask(name: str) -> dict[str, list[object]]:
        answered = predict(
            models / name,
            table,
            environment=ENVIRONMENT,
            sandbox=Sandbox.find("bubblewrap"),
            limits=LIMITS,
            work=tmp_path / "work",
        )
        assert not (tmp_path / "work").exists()
        return {column: list(values) for column, values in answered.columns.items()}

    return ask


def test_a_model_predicts_with_its_probabilities(
    ask: Callable[[str], dict[str, list[object]]],
) -> None:
    answered = ask("boosted")
    assert set(answered) == {"prediction", "score: 0", "score: 1"}
    assert answered["prediction"][:2] == [0, 1]


def test_what_a_model_writes_besides_its_predictions_goes_nowhere(
    ask: Callable[[str], dict[str, list[object]]], capfd: pytest.CaptureFixture[str]
) -> None:
    [answered] = ask("telling").values()
    assert len(set(answered)) == 1
    assert answered[0] != "uid 0"
    assert "SEEN" not in "".join(capfd.readouterr())


def test_rows_do_not_come_out_as_predictions(
    ask: Callable[[str], dict[str, list[object]]],
) -> None:
    with pytest.raises(
        RecomputeError, match="neither a finite number nor a short label"
    ) as refused:
        ask("talking")
    assert "9.0" not in str(refused.value)
