"""The main job, step by step; each step looks at what is there and goes on from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from config.demo.errors import StepFailed
from config.demo.evaluation import bind_evaluation_set, register_evaluation_set
from config.demo.people import Credentials, ensure_people
from config.demo.refusals import Refusal, try_around
from config.demo.training import (
    MODEL,
    VARIANTS,
    Project,
    allow_places,
    ensure_environment,
    ensure_project,
    train,
)
from config.demo.visitor import Visitor
from config.embedded.processes import BASE_DIR
from config.embedded.progress import Progress
from config.embedded.stack import EmbeddedStack

ALIAS: Final = "champion"
POLICY: Final = BASE_DIR / "policies" / "credit-decision.yaml"
RISK_TIER: Final = "high"
WAIT_SECONDS: Final = 120
MEANING: Final = "I have reviewed this evidence and approve the promotion."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ending:
    """What the main job came to.

    Attributes:
        decisions: the gate's answer by version number.
        promotions: the path of each version's promotion page, by version number.
    """

    credentials: Credentials
    project: Project
    decisions: Mapping[int, Mapping[str, Any]]
    promotions: Mapping[int, str]
    refusals: tuple[Refusal, ...]
    report: Path


def tell(stack: EmbeddedStack, progress: Progress) -> Ending:
    """Run the main job against a started stack, or go on from where it stands.

    Raises:
        StepFailed: a step did not do what it should.
    """
    return _Story(stack, progress).tell()


class _Story:
    def __init__(self, stack: EmbeddedStack, progress: Progress) -> None:
        self._stack = stack
        self._progress = progress
        self._say = progress.say
        self._web = stack.addresses.web_url
        self._people = Credentials({}, {})

    def tell(self) -> Ending:
        # What trains knows nothing of the rest, and takes a while.
        with ThreadPoolExecutor(max_workers=1) as beside:
            making = beside.submit(self._make_project)
            self._say("enrolling the keys in the log, adding the people of the demo")
            self._stack.run_manage("enroll_keys", role="web")
            self._stack.run_manage("registry", "connect", role="web")
            # Watched from the start: what comes now is new, and nothing has to be adopted.
            self._stack.run_manage("registry", "walk", role="web")
            self._people = ensure_people(self._stack)
            project = making.result()
        # Before anything is trained: data that may be read are read when lineage is recorded.
        allow_places(self._stack, project)
        register_evaluation_set(self._stack, project.held_out)
        self._train(project)
        self._bind()
        promotions = self._request_promotions()
        is_first_telling = self._gate(2)["promotion"]["status"] != "executed"
        if is_first_telling:
            self._recompute()
            self._review(promotions[2])
            self._await_champion()
        refusals = try_around(self._stack.addresses.mlflow_url, MODEL, ALIAS, version=1)
        for refusal in refusals:
            self._say(f"tried around Muniment ({refusal.way}): refused, {refusal.answer}")
        decisions = {number: self._gate(number) for number in (1, 2, 3)}
        if is_first_telling:  # afterwards the newcomer decides what comes out
            self._expect(decisions)
        report = self._download_report()
        return Ending(
            credentials=self._people,
            project=project,
            decisions=decisions,
            promotions=promotions,
            refusals=refusals,
            report=report,
        )

    def _make_project(self) -> Project:
        project = ensure_project(self._stack)
        with self._progress.during("installing what the training's uv.lock names"):
            ensure_environment(project)
        return project

    def _train(self, project: Project) -> None:
        known = self._versions_in_mlflow()
        for number, variant in enumerate(VARIANTS, start=1):
            if number <= known:
                continue
            with self._progress.during(f"training {variant} into MLflow"):
                printed = train(self._stack, project, variant)
            self._say(f"trained {variant}: {_metrics(printed)}")

    def _bind(self) -> None:
        for number in (1, 2, 3):
            self._await(f"version {number} in the mirror", partial(self._is_mirrored, number))
        if self._gate(1)["policy"] is not None:
            return  # whichever it is by now, an admin's choice stays
        self._stack.run_manage("publish_policy", str(POLICY), "--as", "admin", role="web")
        self._stack.run_manage(
            *("registry", "bind", MODEL, "--policy", POLICY.stem),
            *("--risk-tier", RISK_TIER, "--as", "admin"),
            role="web",
        )
        self._say("what it is judged by: applicants whom no training has seen, held by Muniment")
        bind_evaluation_set(self._stack, MODEL)

    def _request_promotions(self) -> dict[int, str]:
        self._say("the engineer asks for all three versions to become champion")
        paths = {}
        with self._visitor("engineer") as engineer:
            for number in (1, 2, 3):
                promotion = self._gate(number)["links"]["promotion"]
                if promotion:
                    paths[number] = httpx.URL(promotion).path
                    continue
                paths[number] = engineer.request_promotion(
                    f"/models/{MODEL}/versions/{number}/",
                    alias=ALIAS,
                    note=f"Variant {VARIANTS[number - 1]} of the loan approval classifier.",
                )
        for number in (1, 2, 3):
            self._await(f"the evidence on version {number}", partial(self._is_decided, number))
            answer = self._gate(number)
            self._say(f"version {number}: {answer['decision']}. {_first(answer['reasons'])}")
        return paths

    def _recompute(self) -> None:
        with self._progress.during("training version 2 again from its record alone, in a sandbox"):
            said = json.loads(
                self._stack.run_manage("recompute", MODEL, "2", "--wait", "--json", role="web")
            )
        self._say(f"version 2 is {said['verdict'].replace('_', ' ')}: {said['reason']}")
        self._say(f"negative control: {said['measurements']['negative_control']['reason']}")

    def _review(self, promotion: str) -> None:
        given = (self._gate(2)["approvals"] or {}).get("given", 0)
        for username in ("reviewer", "reviewer2")[given:]:
            self._say(f"{username} reads version 2's evidence and signs an approval")
            with self._visitor(username) as visitor:
                visitor.sign_review(
                    promotion,
                    verdict="approve",
                    reason="No group is adversely affected, and the lineage is complete.",
                    meaning=MEANING,
                )

    def _await_champion(self) -> None:
        self._say("the promotion is executed with a single-use grant")
        self._await("version 2 as champion in MLflow", lambda: self._champion_is(2))
        self._await("the gate's answer", lambda: self._gate(2)["decision"] == "allow" or None)
        self._say("version 2 is champion in MLflow")

    def _expect(self, decisions: Mapping[int, Mapping[str, Any]]) -> None:
        wanted = {1: "deny", 2: "allow", 3: "pending"}
        for number, answer in decisions.items():
            if answer["decision"] != wanted[number]:
                raise StepFailed(f"version {number} came out as {answer['decision']}: {answer}")
        bias = [check for check in decisions[1]["checks"] if "race" in check["id"]]
        if not any(check["conclusion"] == "unsatisfied" for check in bias):
            raise StepFailed(f"version 1 was not denied for adverse impact: {bias}")

    def _download_report(self) -> Path:
        self._say("the auditor downloads version 2's signed report")
        path = self._stack.home.path / "demo" / f"{MODEL}-v2.pdf"
        address = f"/api/v1/models/{MODEL}/versions/2/report.pdf"

        def fetch() -> bytes | None:
            answer = self._api(address, "auditor")
            if answer.status_code == 202:
                return None
            return answer.raise_for_status().content

        path.write_bytes(self._await("the signed report", fetch))
        return path

    def _visitor(self, username: str) -> Visitor:
        return Visitor(self._web, username, self._people.passwords[username])

    def _api(self, path: str, username: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._people.tokens[username]}"}
        return httpx.get(f"{self._web}{path}", headers=headers, timeout=60)

    def _gate(self, number: int) -> dict[str, Any]:
        answer = self._api(
            f"/api/v1/models/{MODEL}/versions/{number}/gate?alias={ALIAS}", "engineer"
        )
        answer.raise_for_status()
        decision: dict[str, Any] = answer.json()
        return decision

    def _is_mirrored(self, number: int) -> bool | None:
        path = f"/api/v1/models/{MODEL}/versions/{number}/gate?alias={ALIAS}"
        return self._api(path, "engineer").status_code == 200 or None

    def _is_decided(self, number: int) -> bool | None:
        checks = self._gate(number)["checks"]
        return all(check["status"] == "completed" for check in checks) or None

    def _champion_is(self, number: int) -> bool | None:
        answer = httpx.get(
            f"{self._stack.addresses.mlflow_url}/api/2.0/mlflow/registered-models/alias",
            params={"name": MODEL, "alias": ALIAS},
            timeout=30,
        )
        if answer.status_code != 200:
            return None
        return answer.json()["model_version"]["version"] == str(number) or None

    def _versions_in_mlflow(self) -> int:
        answer = httpx.get(
            f"{self._stack.addresses.mlflow_url}/api/2.0/mlflow/model-versions/search",
            params={"filter": f"name='{MODEL}'", "max_results": 100},
            timeout=30,
        )
        return len(answer.raise_for_status().json().get("model_versions", ()))

    def _await(self, what: str, look: Callable[[], T | None]) -> T:
        found = look()
        if found is not None:
            return found
        deadline = time.monotonic() + WAIT_SECONDS
        with self._progress.during(f"waiting for {what}"):
            while (found := look()) is None:
                self._stack.require_all_running()
                if time.monotonic() > deadline:
                    raise StepFailed(f"waited {WAIT_SECONDS} seconds in vain for {what}")
                time.sleep(0.3)
        return found


def _metrics(printed: Mapping[str, Any]) -> str:
    metrics = printed.get("metrics", {})
    return ", ".join(
        f"{name} {value:.3f}" for name, value in metrics.items() if isinstance(value, float)
    )


def _first(reasons: list[str]) -> str:
    return reasons[0] if reasons else ""
