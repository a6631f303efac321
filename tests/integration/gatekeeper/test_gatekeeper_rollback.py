"""Rollback grants at a live MLflow server: honoured while Muniment is down, for one move, once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from muniment.grant import HEADER, RollbackUse, rollback_tag
from tests.integration.gatekeeper.live import Answer, GrantCounter, GrantKey, MlflowServer

pytestmark = pytest.mark.timeout(180)

MakeToken = Callable[..., str]
BACK = {"operation": "rollback_alias", "version": "1", "from_version": "2"}


@pytest.fixture
def name(guarded_mlflow: MlflowServer) -> str:
    """A model whose champion is version 2."""
    name = guarded_mlflow.new_model()
    put_alias(guarded_mlflow, name, 2)
    return name


@pytest.fixture
def without_muniment(counter: GrantCounter) -> Iterator[GrantCounter]:
    counter.stop()
    yield counter
    counter.start()


def put_alias(server: MlflowServer, name: str, version: int, alias: str = "champion") -> None:
    """Point an alias somewhere, past the server."""
    with sqlite3.connect(server.database, timeout=20) as database:
        database.execute(
            "INSERT OR REPLACE INTO registered_model_aliases (workspace, name, alias, version)"
            " VALUES ('default', ?, ?, ?)",
            (name, alias, version),
        )


def tags_of(server: MlflowServer, name: str) -> dict[str, str]:
    with sqlite3.connect(server.database, timeout=20) as database:
        rows = database.execute(
            "SELECT key, value FROM registered_model_tags WHERE name = ?", (name,)
        )
        return dict(rows.fetchall())


def assert_refused(answer: Answer, words: str) -> None:
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED"), answer
    assert words in answer.message


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_the_alias_goes_back_while_muniment_is_down_and_the_registry_remembers_it(
    prefix: str,
    guarded_mlflow: MlflowServer,
    without_muniment: GrantCounter,
    make_token: MakeToken,
    name: str,
) -> None:
    grant_id = uuid4()
    before = datetime.now(UTC)
    token = make_token(name, **BACK, grant_id=grant_id)
    assert guarded_mlflow.set_alias(name, token=token, prefix=prefix).status == 200
    assert guarded_mlflow.aliases(name) == {"champion": "1"}
    (key, value), *others = tags_of(guarded_mlflow, name).items()
    assert (key, others) == (rollback_tag(grant_id), [])
    use = RollbackUse.parse(value)
    assert use is not None
    assert (use.from_version, use.to_version) == (2, 1)
    assert before <= use.at <= datetime.now(UTC)


def test_a_used_grant_is_worth_nothing_even_when_the_alias_is_where_it_was(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken, name: str
) -> None:
    token = make_token(name, **BACK)
    asked = counter.requests
    assert guarded_mlflow.set_alias(name, token=token).status == 200
    assert counter.requests == asked  # nobody is asked, and nobody needs to be there
    put_alias(guarded_mlflow, name, 2)
    answer = guarded_mlflow.set_alias(name, token=token)
    assert_refused(answer, "its rollback grant was used before; see http://muniment.test/")
    assert guarded_mlflow.aliases(name) == {"champion": "2"}


def test_one_grant_used_by_many_at_once_moves_the_alias_once(
    guarded_mlflow: MlflowServer, without_muniment: GrantCounter, make_token: MakeToken, name: str
) -> None:
    token = make_token(name, **BACK)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: guarded_mlflow.set_alias(name, token=token), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [403] * 7
    assert len(tags_of(guarded_mlflow, name)) == 1


def test_of_two_grants_for_one_move_only_one_is_used_up(
    guarded_mlflow: MlflowServer, without_muniment: GrantCounter, make_token: MakeToken, name: str
) -> None:
    tokens = [make_token(name, **BACK) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda t: guarded_mlflow.set_alias(name, token=t), tokens))
    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403]
    assert len(tags_of(guarded_mlflow, name)) == 1


@pytest.mark.parametrize("held", [None, 1, 3])
def test_a_grant_holds_only_while_the_alias_is_where_it_says(
    held: int | None,
    guarded_mlflow: MlflowServer,
    without_muniment: GrantCounter,
    make_token: MakeToken,
) -> None:
    name = guarded_mlflow.new_model(versions=3)
    if held is not None:
        put_alias(guarded_mlflow, name, held)
    token = make_token(name, **BACK)
    answer = guarded_mlflow.set_alias(name, token=token)
    assert_refused(answer, "holds only while the alias points to version 2")
    assert guarded_mlflow.aliases(name) == ({} if held is None else {"champion": str(held)})
    assert tags_of(guarded_mlflow, name) == {}
    # It was not used up: the move it is for can still be made.
    put_alias(guarded_mlflow, name, 2)
    assert guarded_mlflow.set_alias(name, token=token).status == 200


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"model": "gov-other"}, "another model"),
        ({"version": "3"}, "another version"),
        ({"alias": "blessed"}, "another alias"),
        ({"source": "default"}, "another source"),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "expired at"),
        ({"signer": None}, "not signed by Muniment's grant key"),
    ],
)
def test_a_grant_for_something_else_is_refused_and_not_used_up(
    members: dict[str, Any],
    words: str,
    guarded_mlflow: MlflowServer,
    without_muniment: GrantCounter,
    make_token: MakeToken,
    name: str,
    tmp_path: Path,
) -> None:
    if "signer" in members:
        members = {"signer": GrantKey.make(tmp_path).signer}
    members = BACK | members
    token = make_token(members.pop("model", name), **members)
    assert_refused(guarded_mlflow.set_alias(name, token=token), words)
    assert guarded_mlflow.aliases(name) == {"champion": "2"}
    assert tags_of(guarded_mlflow, name) == {}


def test_another_spelling_of_the_alias_is_another_alias(
    guarded_mlflow: MlflowServer, without_muniment: GrantCounter, make_token: MakeToken, name: str
) -> None:
    put_alias(guarded_mlflow, name, 2, alias="Champion")
    token = make_token(name, **BACK)
    assert_refused(guarded_mlflow.set_alias(name, "Champion", token=token), "another alias")
    assert guarded_mlflow.aliases(name)["Champion"] == "2"


def test_an_ordinary_grant_is_no_rollback_when_muniment_is_down(
    guarded_mlflow: MlflowServer, without_muniment: GrantCounter, make_token: MakeToken, name: str
) -> None:
    answer = guarded_mlflow.set_alias(name, token=make_token(name))
    assert_refused(answer, "Muniment cannot be reached to reserve its grant")
    assert guarded_mlflow.aliases(name) == {"champion": "2"}


def test_a_rollback_grant_covers_no_other_operation(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken, name: str
) -> None:
    token = make_token(name, **BACK)
    for method, path, content in [
        ("DELETE", "/registered-models/alias", {"alias": "champion"}),
        ("DELETE", "/registered-models/delete", {}),
        ("DELETE", "/model-versions/delete", {"version": "1"}),
        ("POST", "/registered-models/rename", {"new_name": "elsewhere"}),
        ("POST", "/model-versions/transition-stage", {"version": "1", "stage": "Production"}),
    ]:
        answer = guarded_mlflow.call(
            method, path, {"name": name} | content, headers=((HEADER, token),)
        )
        assert_refused(answer, "is refused")
    assert guarded_mlflow.aliases(name) == {"champion": "2"}


def test_nobody_sets_or_takes_away_what_the_registry_remembers(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken, name: str
) -> None:
    used, unused = uuid4(), uuid4()
    token = make_token(name, **BACK, grant_id=used)
    assert guarded_mlflow.set_alias(name, token=token).status == 200
    kept = tags_of(guarded_mlflow, name)
    for key in (rollback_tag(used), rollback_tag(unused), rollback_tag(used).title()):
        for method, path, content in [
            ("DELETE", "/registered-models/delete-tag", {}),
            ("POST", "/registered-models/set-tag", {"value": json.dumps({"from": 2})}),
        ]:
            answer = guarded_mlflow.call(
                method, path, {"name": name, "key": key} | content, headers=((HEADER, token),)
            )
            assert_refused(answer, " is refused: ")
    assert tags_of(guarded_mlflow, name) == kept


def test_no_rollback_token_ever_stands_in_the_log(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken, name: str
) -> None:
    token = make_token(name, **BACK)
    answers = [guarded_mlflow.set_alias(name, token=token) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 403]
    shown = guarded_mlflow.log_file.read_text(errors="replace") + str(answers)
    assert "was carried out" in shown
    assert token not in shown
