"""Ordinary registry calls through our store, beside MLflow's own store, on PostgreSQL.

Ours: the store that `muniment+postgresql+psycopg` opens, with every model governed. Peer:
`SqlAlchemyStore` as MLflow has it. Each has a database of its own on one server, and the calls of
training and serving code are made on both in turn, within one process and without HTTP, which would
hide what the gatekeeper costs. A round is each call once; the ratio is that of the sums of the
calls' medians, at most 1.1.

Beside it: the highest ratio of a single call. It is that of a new version, which waits for one more
statement: whether its name is a prompt's.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.bench import instance, is_full, result, say, seconds

WARM_UP = 30

Call = Callable[[Any, str], object]


def main() -> None:
    rounds = 1_500 if is_full() else 400
    with instance() as stack:
        ours, peer = _open_stores(stack)
        calls = ordinary_calls()
        took: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
        for number in range(-WARM_UP, rounds):
            for place, (name, call) in enumerate(calls.items()):
                # Whoever goes second finds the server's caches warm.
                turns = [(ours, 0), (peer, 1)][:: 1 if (number + place) % 2 else -1]
                for store, column in turns:
                    spent = seconds(partial(call, store, f"model-{number}"))
                    if number >= 0:
                        took[name][column].append(spent)
    medians = {
        name: (statistics.median(of_ours) * 1000, statistics.median(of_peer) * 1000)
        for name, (of_ours, of_peer) in took.items()
    }
    for name, (of_ours, of_peer) in medians.items():
        say(f"{name}: {of_ours:.3f} ms, {of_peer:.3f} ms, {of_ours / of_peer:.3f}")
    highest = max(medians, key=lambda name: medians[name][0] / medians[name][1])
    result(
        workload=f"{len(calls)} ordinary registry calls, medians of {rounds} rounds",
        ours=sum(of_ours for of_ours, _ in medians.values()),
        peer=sum(of_peer for _, of_peer in medians.values()),
        unit="ms",
        **{f"ratio_of_{highest}": round(medians[highest][0] / medians[highest][1], 3)},
    )


def ordinary_calls() -> dict[str, Call]:
    """Return the calls in the order in which a model needs them; each takes a store and a name."""
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

    tags = [ModelVersionTag(f"tag-{number}", "a value") for number in range(5)]
    return {
        "create_registered_model": lambda store, name: store.create_registered_model(
            name, [RegisteredModelTag("team", "risk")], "Scores applications."
        ),
        "create_model_version": lambda store, name: store.create_model_version(
            name, "s3://bucket/model", "0" * 32, tags
        ),
        "set_model_version_tag": lambda store, name: store.set_model_version_tag(
            name, "1", ModelVersionTag("validated", "yes")
        ),
        "set_registered_model_tag": lambda store, name: store.set_registered_model_tag(
            name, RegisteredModelTag("owner", "ann")
        ),
        "set_registered_model_alias": lambda store, name: store.set_registered_model_alias(
            name, "challenger", "1"
        ),
        "update_model_version": lambda store, name: store.update_model_version(
            name, "1", "the baseline"
        ),
        "get_model_version_by_alias": lambda store, name: store.get_model_version_by_alias(
            name, "challenger"
        ),
        "get_model_version": lambda store, name: store.get_model_version(name, "1"),
        "get_registered_model": lambda store, name: store.get_registered_model(name),
        "get_latest_versions": lambda store, name: store.get_latest_versions(name),
        "search_model_versions": lambda store, name: store.search_model_versions(
            f"name = '{name}'", max_results=100
        ),
        "search_registered_models": lambda store, name: store.search_registered_models(
            f"name = '{name}'", max_results=100
        ),
        "delete_model_version_tag": lambda store, name: store.delete_model_version_tag(
            name, "1", "validated"
        ),
        "delete_registered_model_alias": lambda store, name: store.delete_registered_model_alias(
            name, "challenger"
        ),
        "create_prompt": lambda store, name: store.create_prompt(f"{name}-prompt"),
        "create_prompt_version": lambda store, name: store.create_prompt_version(
            f"{name}-prompt", "Hello {{name}}"
        ),
    }


def _open_stores(stack: Any) -> tuple[Any, Any]:
    import psycopg
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    from muniment.mlflow import governed_store

    with psycopg.connect(stack.superuser_url(), autocommit=True) as connection:
        for name in ("ours", "peer"):
            connection.execute(f"CREATE DATABASE gatekeeper_{name}")
    uris = [
        stack.superuser_url(f"gatekeeper_{name}").replace("postgresql", "postgresql+psycopg", 1)
        for name in ("ours", "peer")
    ]
    for variable in ("MUNIMENT_GOVERNED_MODELS", "MUNIMENT_GOVERNED_ALIASES"):
        os.environ.pop(variable, None)
    return governed_store(f"muniment+{uris[0]}"), SqlAlchemyStore(uris[1])


if __name__ == "__main__":
    main()
