"""What is told of witnesses and of the clock, and which processes do the asking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from audits.services.signing import keyring
from audits.services.timestamps import timestamp_checkpoints
from audits.services.witnesses import collect_cosignatures
from audits.tasks import timestamp_log, witness_log
from audits.witness_state import independent_state
from tests.integration.log.loopback import serving
from tests.integration.log.ring import Ring
from tests.integration.log.tsa import answering
from tests.integration.log.writing import append, sequence_all
from tests.timestamp_authority import TimestampAuthority

ROOT = Path(__file__).resolve().parents[3]


def _entry() -> None:
    with transaction.atomic():
        append()
    sequence_all(timezone.now())


def test_with_nobody_configured_nothing_is_claimed() -> None:
    _entry()
    state = independent_state()
    assert (state.quorum, state.quorum_size, state.witnesses) == ("", None, ())
    assert (state.authority, state.stamped_size, state.stamped_at) == ("", None, None)
    assert state.refusal == ""


def test_it_says_who_saw_how_much(tmp_path: Path, settings: Any) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    with ExitStack() as stack:
        ring = Ring(tmp_path, settings, stack)
        ring.start("north", "south", "east")
        ring.require("group g 2 north south east\nquorum g")
        server = stack.enter_context(serving(answering(authority)))
        settings.TSA_URL = f"http://user:s3cret@127.0.0.1:{server.port}/"
        settings.TSA_CA_FILE = str(authority.root_file)
        ring.stop("east")
        _entry()
        witness_log()
        timestamp_log()
        _entry()
        ring.stop("south")
        collect_cosignatures(now=timezone.now())

        state = independent_state()
        assert (state.quorum, state.quorum_size) == ("2 of north, south, east", 1)
        assert [(w.name, w.tree_size) for w in state.witnesses] == [
            ("north", 2),
            ("south", 1),
            ("east", None),
        ]
        assert state.witnesses[0].cosigned_at is not None
        assert state.witnesses[2].cosigned_at is None
        assert (state.authority, state.stamped_size) == ("127.0.0.1", 1)
        assert state.stamped_at is not None
        timestamp_checkpoints(now=timezone.now())
        assert independent_state().stamped_size == 2


def test_settings_that_are_refused_are_told(settings: Any) -> None:
    settings.TSA_URL = "https://tsa.example/"
    settings.WITNESS_POLICY_FILE = "/nowhere/policy"
    state = independent_state()
    assert "cannot read /nowhere/policy" in state.refusal
    assert "MUNIMENT_TSA_CA_FILE is not" in state.refusal
    assert (state.quorum, state.quorum_size, state.authority) == ("", None, "")


def _python(code: str, **settings_: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **settings_},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_SCHEDULE = (
    "import json\nfrom config.celery import app\n"
    "print(json.dumps({item['task']: [item['schedule'], item['options']['expires']]"
    " for item in app.conf.beat_schedule.values() if 'log' in item['task']}, default=str))"
)


def test_beat_asks_only_where_somebody_is_configured(tmp_path: Path) -> None:
    names = {"audits.tasks.timestamp_log", "audits.tasks.witness_log"}
    plain = json.loads(_python(_SCHEDULE).stdout)
    assert not names & set(plain)
    policy = tmp_path / "policy"
    policy.write_text(f"log {keyring().log.vkey}\nquorum none\n")
    asking = json.loads(
        _python(
            _SCHEDULE,
            MUNIMENT_TSA_URL="https://tsa.example/",
            MUNIMENT_TSA_CA_FILE="/nowhere",
            MUNIMENT_WITNESS_POLICY=str(policy),
        ).stdout
    )
    assert {asking[name][0] for name in names} == {2.0}
    assert {asking[name][1] for name in names} == {2.0}


def test_their_tasks_run_beside_the_sequencer_not_in_it() -> None:
    found = _python(
        "from config.celery import app\n"
        "for name in ('timestamp_log', 'witness_log', 'sequence_log'):\n"
        "    print(app.amqp.router.route({}, 'audits.tasks.' + name)['queue'].name)"
    )
    assert found.stdout.split() == ["default", "default", "log"]


@pytest.mark.parametrize(
    ("content", "words"), [("quorum none\n", "is not about this log"), ("x\n", "line 1:")]
)
def test_no_process_starts_on_a_policy_that_cannot_be_followed(
    tmp_path: Path, content: str, words: str
) -> None:
    policy = tmp_path / "policy"
    policy.write_text(content)
    started = _python("import django; django.setup()", MUNIMENT_WITNESS_POLICY=str(policy))
    assert started.returncode != 0
    assert "ImproperlyConfigured: MUNIMENT_WITNESS_POLICY" in started.stderr
    assert words in started.stderr


def test_no_process_starts_where_the_policy_cannot_be_compared(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    started = _python(
        "import django; django.setup()",
        MUNIMENT_WITNESS_POLICY=str(policy),
        MUNIMENT_KEYRING=str(tmp_path / "nothing"),
    )
    assert "ImproperlyConfigured: cannot read the keyring" in started.stderr
