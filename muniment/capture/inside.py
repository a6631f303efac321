"""Runs inside the command's own interpreter, where MLflow is, and answers questions about runs.

One JSON object a line comes in and one goes out. It is read as text and handed to ``python -c``:
it imports nothing of the kit and keeps to Python 3.8.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def find_runs(client: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs with our tag, and those asked for by id."""
    runs = {run_id: client.get_run(run_id) for run_id in asked["also"]}
    token = None
    while True:
        page = client.search_experiments(max_results=500, page_token=token)
        if page:
            found = client.search_runs(
                [one.experiment_id for one in page], asked["filter"], max_results=asked["max_runs"]
            )
            runs.update({run.info.run_id: run for run in found})
        token = page.token
        if not token:
            break
    return [_described(client, run) for run in list(runs.values())[: asked["max_runs"]]]


def hash_outputs(client: Any, asked: dict[str, Any]) -> dict[str, str]:
    """Download and hash every artifact of a run and of its logged models, within limits."""
    found: dict[str, str] = {}
    left = asked["max_bytes"]
    with tempfile.TemporaryDirectory() as folder:
        for prefix, names, fetch in _sources(client, asked):
            for name, size in names:
                if prefix == "" and name.startswith("muniment/"):
                    continue
                left -= size or 0
                if left < 0:
                    raise ValueError("The run wrote more than is hashed")
                found[prefix + name] = _sha256(fetch(name, folder))
                if len(found) > asked["max_files"]:
                    raise ValueError("The run wrote more artifacts than are hashed")
    return found


def write(client: Any, asked: dict[str, Any]) -> None:
    """Log files as artifacts, then tags."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in asked["files"].items():
            path = Path(folder, Path(name).name)
            path.write_bytes(content.encode("utf-8"))
            client.log_artifact(asked["run_id"], str(path), str(Path(name).parent))
    for key, value in asked["tags"].items():
        client.set_tag(asked["run_id"], key, value)


def _described(client: Any, run: Any) -> dict[str, Any]:
    outputs = getattr(getattr(run, "outputs", None), "model_outputs", None) or ()
    inputs = getattr(getattr(run, "inputs", None), "dataset_inputs", None) or ()
    return {
        "run_id": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "params": dict(run.data.params),
        "datasets": [
            {
                "name": one.dataset.name,
                "source_type": one.dataset.source_type,
                "source": one.dataset.source,
                "context": {tag.key: tag.value for tag in one.tags}.get("mlflow.data.context", ""),
            }
            for one in inputs
        ],
        "models": {one.model_id: client.get_logged_model(one.model_id).name for one in outputs},
    }


def _sources(client: Any, asked: dict[str, Any]) -> Any:
    import mlflow

    run_id = asked["run_id"]
    yield (
        "",
        _walk(lambda path: client.list_artifacts(run_id, path)),
        lambda name, folder: client.download_artifacts(run_id, name, folder),
    )
    for model_id, called in asked["models"].items():
        place = client.get_logged_model(model_id).artifact_location
        yield (
            called + "/",
            _walk(lambda path, of=model_id: client.list_logged_model_artifacts(of, path)),
            lambda name, folder, at=place: mlflow.artifacts.download_artifacts(
                artifact_uri=f"{at}/{name}", dst_path=folder
            ),
        )


def _walk(listed: Any) -> Any:
    pending = [None]
    while pending:
        for entry in listed(pending.pop()):
            if entry.is_dir:
                pending.append(entry.path)
            else:
                yield entry.path, entry.file_size


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 (a path as MLflow gives it)
        for chunk in iter(lambda: file.read(1024 * 1024), b""):
            digest.update(chunk)
    return digest.hexdigest()


QUESTIONS = {"find_runs": find_runs, "hash_outputs": hash_outputs, "write": write}


def main() -> None:
    """Answer until nothing more is asked."""
    # What MLflow and its libraries print is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from mlflow import MlflowClient

    client = MlflowClient()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"answer": QUESTIONS[asked["question"]](client, asked)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
