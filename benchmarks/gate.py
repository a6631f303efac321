"""Asking the gate over HTTP, beside asking MLflow which version an alias names.

Ours: `GET /api/v1/models/…/gate`, which evaluates the policy anew for every request: a version of
`credit-decision` in review, with its lineage, its bias audit by counted people, the champion that
it is compared with, and two approvals. Peer: `registered-models/alias`, one look into a table. Both
are served as the product serves them but by one process each, from one PostgreSQL, and asked by the
same client, which is a process of its own and keeps its connections open.

Each round asks one after the other, first over one connection, for the time that an answer takes,
then over eight, for how many are answered. `ratio` is the peer's p50 over ours and
`throughput_ratio` our answers a second over the peer's: above 1 we are faster. `queries` is how
often one answer asks the database; `load` the machine's load in the minute before.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.bench import instance, is_full, result, say
from config.embedded import EmbeddedStack
from config.embedded.processes import web_service
from config.embedded.progress import Progress
from config.embedded.supervisor import Supervisor

ROUND_SECONDS = 4.0
CONNECTIONS = 8
PEER_MODEL = "beside"


@dataclass
class Side:
    """One of the two: what is asked, and what was measured of it."""

    name: str
    url: str
    headers: dict[str, str]
    says: str
    alone: list[float] = field(default_factory=list)
    a_second: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Ask over one connection, then over several."""
        self.alone += self._ask(1)["milliseconds"]
        crowd = self._ask(CONNECTIONS)
        self.a_second.append(crowd["requests"] / crowd["elapsed_seconds"])

    def percentile(self, of: int) -> float:
        """Return milliseconds that so many of a hundred answers took at most."""
        return statistics.quantiles(self.alone, n=100)[of - 1]

    def _ask(self, connections: int) -> dict[str, Any]:
        order = {
            "url": self.url,
            "headers": self.headers,
            "says": self.says,
            "connections": connections,
            "seconds": ROUND_SECONDS,
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_load"],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def main() -> None:
    rounds = 12 if is_full() else 5
    load = os.getloadavg()[0]
    with instance("redis", "mlflow") as stack:
        token, queries = _lay_down()
        _register_with_mlflow(stack.addresses.mlflow_url)
        with _serving(stack) as url:
            ours = Side(
                "ours",
                f"{url}/api/v1/models/boston-mortgage/versions/2/gate?alias=champion",
                {"Authorization": f"Bearer {token}"},
                '"decision":"allow"',
            )
            peer = Side(
                "peer",
                f"{stack.addresses.mlflow_url}/api/2.0/mlflow/registered-models/alias"
                f"?name={PEER_MODEL}&alias=serving",
                {},
                '"version": "1"',
            )
            for number in range(rounds):
                # Whoever goes second finds the machine as the first left it.
                for side in (ours, peer)[:: 1 if number % 2 else -1]:
                    side.measure()
                    say(
                        f"round {number + 1}, {side.name}: p50 {side.percentile(50):.2f} ms, "
                        f"{side.a_second[-1]:.0f} a second"
                    )
    throughput = [statistics.median(side.a_second) for side in (ours, peer)]
    result(
        workload=f"an answer of the gate, p50 of {len(ours.alone)}",
        ours=ours.percentile(50),
        peer=peer.percentile(50),
        unit="ms p50",
        ratio=round(peer.percentile(50) / ours.percentile(50), 3),
        p99_ms=round(ours.percentile(99), 3),
        peer_p99_ms=round(peer.percentile(99), 3),
        throughput=round(throughput[0]),
        peer_throughput=round(throughput[1]),
        throughput_ratio=round(throughput[0] / throughput[1], 3),
        queries=queries,
        load=round(load, 2),
    )


def _lay_down() -> tuple[str, int]:
    """Make the version that is asked about; return a token, and the queries of an answer."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from accounts.services.people import actor_of
    from accounts.services.tokens import READ, issue_token
    from tests.integration.web.world import build_world

    world = build_world()
    promotion = world.request(2)
    for reviewer in ("reviewer", "reviewer2"):
        world.sign(promotion, reviewer)
    world.sequence()
    person = world.people["engineer"]
    token = issue_token(
        user=person,
        name="benchmark",
        scopes=[READ],
        ttl_seconds=86_400,
        actor=actor_of(person),
        now=timezone.now(),
    )

    def ask() -> None:
        Client().get(
            "/api/v1/models/boston-mortgage/versions/2/gate?alias=champion",
            headers={"Authorization": f"Bearer {token}", "Host": "localhost"},
        )

    ask()
    with CaptureQueriesContext(connection) as captured:
        ask()
    return token, len(captured)


def _register_with_mlflow(url: str) -> None:
    for path, content in (
        ("registered-models/create", {"name": PEER_MODEL}),
        ("model-versions/create", {"name": PEER_MODEL, "source": "s3://bucket/model"}),
        ("registered-models/alias", {"name": PEER_MODEL, "alias": "serving", "version": "1"}),
    ):
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/{path}",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            answer.read()


@contextmanager
def _serving(stack: EmbeddedStack) -> Iterator[str]:
    """Serve as `config.embedded` does, by one process instead of two; give the address."""
    service = web_service(stack.home, stack.environment("web"))
    place = service.command.index("--workers") + 1
    command = (*service.command[:place], "1", *service.command[place + 1 :])
    with Supervisor(logs=stack.home.logs, progress=Progress(None)) as supervisor:
        supervisor.start(replace(service, command=command))
        yield stack.addresses.web_url


if __name__ == "__main__":
    main()
