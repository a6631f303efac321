"""A walk of a real MLflow server by the mirror, beside downloading and decoding the same pages.

Ours: `walk_source` of 1,000 models with 10 versions each, by a source whose mirror is empty: every
row parsed, hashed, planned and written, one signed statement a model or more, all committed. Peer:
the same pages by `http.client`, decoded by `json.loads`, and nothing else. At most 2.0 is wanted.

Beside it: `unchanged_ratio`, a second walk over the peer (at most 1.3); `per_version_speedup`, how
many times longer than that second walk MLflow's own client takes to read the same by asking for
each model's versions and then for each version, which alone shows its aliases (at least 20; from a
sample); `scaling`, the first walk of ten times the models over this one (at most 12); and the most
memory that the process held in the walks, Django included.

Medians of rounds in which ours and the peer take turns. MLflow and PostgreSQL share the machine,
so the processor time of this process alone is reported too: it is what the mirror adds itself.
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from benchmarks.bench import instance, is_full, result, say, seconds

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODELS = 1_000
VERSIONS_A_MODEL = 10
TIMES_LARGER = 10
# The client that asks for each version is slow enough for some models to say how slow.
ASKED_MODELS = 25
PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"
LISTS = (("model-versions", 200_000), ("registered-models", 1_000))
BORN_MS = 1_750_000_000_000


@dataclass(frozen=True, slots=True)
class Took:
    """What one run cost: by the clock, and of this process's processor time."""

    seconds: float
    cpu_seconds: float


def main() -> None:
    rounds = 9 if is_full() else 5
    # In a process of its own: importing MLflow would be most of the memory of this one.
    other = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with other, instance("redis", "mlflow") as stack:
        url = stack.addresses.mlflow_url
        fill_mlflow(stack.mlflow_database_url(), models=MODELS)
        forget_peak()
        walk(url, "warm-up", changes=True)
        peak = peak_bytes()
        other.submit(ask_for_each_version, url).result()
        peer, first, unchanged, asking = [], [], [], []
        for number in range(rounds):
            source = f"round-{number}"
            peer.append(took(lambda: download(url)))
            first.append(took(lambda source=source: walk(url, source, changes=True)))
            unchanged.append(took(lambda source=source: walk(url, source, changes=False)))
            asking.append(took(lambda: other.submit(ask_for_each_version, url).result()))
            say(f"peer {peer[-1]}, first {first[-1]}, unchanged {unchanged[-1]}, {asking[-1]}")
        fill_mlflow(stack.mlflow_database_url(), models=MODELS * TIMES_LARGER)
        larger_peer = took(lambda: download(url))
        forget_peak()
        larger = took(lambda: walk(url, "larger", changes=True))
        larger_peak = peak_bytes()
        say(f"{TIMES_LARGER} times the registry: peer {larger_peer}, first {larger}")
    ours, theirs, again, asked = (median(runs) for runs in (first, peer, unchanged, asking))
    each = asked.seconds * MODELS / ASKED_MODELS
    result(
        workload=f"first walk of {MODELS} models with {VERSIONS_A_MODEL} versions each",
        ours=ours.seconds,
        peer=theirs.seconds,
        unit="s",
        unchanged_ratio=round(again.seconds / theirs.seconds, 3),
        per_version_speedup=round(each / again.seconds, 1),
        per_version_speedup_of_first=round(each / ours.seconds, 1),
        scaling=round(larger.seconds / ours.seconds, 2),
        peak_memory_bytes=peak,
        peak_memory_bytes_of_larger=larger_peak,
        cpu_seconds=round(ours.cpu_seconds, 3),
        unchanged_cpu_seconds=round(again.cpu_seconds, 3),
        peer_cpu_seconds=round(theirs.cpu_seconds, 3),
    )


def walk(url: str, source_name: str, *, changes: bool) -> None:
    """Walk MLflow as a source of this name, and refuse to go on if that found the wrong thing."""
    from django.utils import timezone

    from registry.models import RegistrySource
    from registry.services.mirror import walk_source

    RegistrySource.objects.get_or_create(name=source_name, defaults={"uri": url})
    found = walk_source(source_name=source_name, clock=timezone.now)
    if bool(found) is not changes:
        raise SystemExit(f"{source_name}: the walk found {len(found)} changes")


def download(url: str) -> int:
    """Download and decode the pages that a walk reads; return how many rows they hold."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    rows = 0
    for kind, page_size in LISTS:
        for query in ({}, {"filter": PROMPTS}):
            asked = {"max_results": str(page_size), **query}
            while True:
                page = get(connection, f"{kind}/search", asked)
                rows += sum(len(listed) for listed in page.values() if isinstance(listed, list))
                token = page.get("next_page_token")
                if not token:
                    break
                asked = {**asked, "page_token": token}
    connection.close()
    return rows


@cache
def own_client(url: str) -> MlflowClient:
    """Return MLflow's own client."""
    from mlflow import MlflowClient

    return MlflowClient(url)


def ask_for_each_version(url: str) -> None:
    """Ask for the versions of some models, and then for each of them."""
    client = own_client(url)
    for number in range(1, 1 + ASKED_MODELS):
        for found in client.search_model_versions(f"name = 'model-{number}'"):
            client.get_model_version(found.name, found.version)


def get(connection: http.client.HTTPConnection, path: str, query: dict[str, str]) -> dict:
    """GET one answer of MLflow's, decoded."""
    connection.request("GET", f"/api/2.0/mlflow/{path}?{urlencode(query)}")
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"MLflow answered {answer.status} to {path}")
    return json.loads(content)


def fill_mlflow(database_url: str, *, models: int) -> None:
    """Put models into MLflow's own tables, as trained and registered ones look there."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE registered_models CASCADE")
        for statement in FILLING:
            connection.execute(
                statement, {"models": models, "versions": VERSIONS_A_MODEL, "born": BORN_MS}
            )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    say(f"MLflow holds {models:,} models of {VERSIONS_A_MODEL} versions")


# Every model has an alias and three tags; every version a run, a logged model and three tags.
FILLING = (
    """INSERT INTO registered_models
           (workspace, name, creation_time, last_updated_time, description)
       SELECT 'default', 'model-' || m, %(born)s + m * 1000, %(born)s + m * 1000 + 900,
           'Scores applications of line ' || m || ' of the business.'
       FROM generate_series(1, %(models)s) m""",
    """INSERT INTO model_versions
           (workspace, name, version, creation_time, last_updated_time, description,
            current_stage, source, run_id, status)
       SELECT 'default', 'model-' || m, v, %(born)s + m * 1000 + v * 10,
           %(born)s + m * 1000 + v * 10 + 5, 'Trained on the data of month ' || v || '.',
           'None', 'models:/m-' || md5('model' || m || '/' || v), md5('run' || m || '/' || v),
           'READY'
       FROM generate_series(1, %(models)s) m, generate_series(1, %(versions)s) v""",
    """INSERT INTO registered_model_tags (workspace, name, key, value)
       SELECT 'default', 'model-' || m, t, 'the value of ' || t || ' for model ' || m
       FROM generate_series(1, %(models)s) m, unnest(ARRAY['team', 'owner', 'purpose']) t""",
    """INSERT INTO model_version_tags (workspace, name, version, key, value)
       SELECT 'default', 'model-' || m, v, t, md5(t || m || '/' || v)
       FROM generate_series(1, %(models)s) m, generate_series(1, %(versions)s) v,
           unnest(ARRAY['muniment.commit', 'muniment.data.sha256', 'trained_by']) t""",
    """INSERT INTO registered_model_aliases (workspace, name, alias, version)
       SELECT 'default', 'model-' || m, 'champion', %(versions)s
       FROM generate_series(1, %(models)s) m""",
)


def took(work: Callable[[], object]) -> Took:
    """Run it and say what it cost."""
    cpu = time.process_time()
    return Took(round(seconds(work), 3), round(time.process_time() - cpu, 3))


def median(runs: Iterable[Took]) -> Took:
    """Return the median of each measure."""
    runs = list(runs)
    return Took(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
    )


def forget_peak() -> None:
    """Have the kernel measure the most memory from here on (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Return the most memory that this process held since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


if __name__ == "__main__":
    main()
