"""An MLflow server's own application, in an environment without the package `muniment`.

Prints what it was asked to show, as JSON. Run as a program: `plain_mlflow.py MODEL FILE-PATH`.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys


def main(model: str, path: str) -> None:
    import mlflow.server

    alias = {"name": model, "alias": "champion", "version": "2"}
    file = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
    answers = {}
    with mlflow.server.app.test_client() as server:
        for step, answer in (
            ("move", server.post("/api/2.0/mlflow/registered-models/alias", json=alias)),
            ("overwrite", server.put(file, data=b"plain again")),
            ("delete", server.delete(file)),
            ("forget", server.delete("/api/2.0/mlflow/registered-models/delete", json=alias)),
        ):
            answers[step] = answer.status_code
    packages = [package.name for package in importlib.metadata.distributions()]
    print(json.dumps({"answers": answers, "has_muniment": "muniment" in packages}))


if __name__ == "__main__":
    main(*sys.argv[1:])
