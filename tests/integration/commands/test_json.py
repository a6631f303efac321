"""Commands answer in one JSON document where that is asked for, also when they cannot."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.usefixtures("committed_database")

POLICY = Path(__file__).parents[3] / "policies" / "credit-decision.yaml"


def _json(*command: str) -> dict[str, object]:
    out = StringIO()
    call_command(*command, "--json", stdout=out)
    said: dict[str, object] = json.loads(out.getvalue())
    return said


def _add(username: str, role: str) -> dict[str, object]:
    return _json(
        *("add_person", username, "--printed-name", username.title(), "--role", role),
        "--random-password",
    )


def test_setting_up_by_commands_says_what_was_done() -> None:
    assert len(_json("enroll_keys")["enrolled"]) == 4  # type: ignore[arg-type]
    assert _json("enroll_keys") == {"enrolled": []}
    ada = _add("ada", "admin")
    assert ada["roles"] == ["admin"]
    assert len(str(ada["password"])) >= 20
    assert str(_json("issue_token", "ada")["token"]).startswith("mun_")
    published = _json("publish_policy", str(POLICY), "--as", "ada")
    assert published["name"] == "credit-decision"
    assert str(published["digest"]).startswith("sha256:")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("issue_token", "nobody"), "nobody called nobody"),
        (("publish_policy", "/not/there.yaml", "--as", "eve"), "Cannot read"),
        (("publish_policy", str(POLICY), "--as", "eve"), "role admin"),
        (("registry", "walk", "--source", "nowhere"), "no registry source 'nowhere'"),
        (("registry", "add", "risk", "--as", "eve"), "give its --uri"),
        (("registry", "add", "risk", "--uri", "http://m.example", "--as", "eve"), "role admin"),
        (("registry", "mode", "*", "--as", "eve"), "Give a mode"),
        (("registry", "mode", "*", "warn", "--as", "eve"), "role admin"),
        (("registry", "remove", "default", "--as", "eve"), "role admin"),
        (
            ("registry", "bind", "m", "--policy", "none", "--risk-tier", "high", "--as", "eve"),
            "No policy 'none'",
        ),
    ],
)
def test_a_refusal_is_a_document_or_a_sentence(command: tuple[str, ...], words: str) -> None:
    _add("eve", "engineer")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*command, "--json", stdout=out)
    assert ended.value.code == 1
    assert words in json.loads(out.getvalue())["error"]
    with pytest.raises(CommandError, match=words):
        call_command(*command)


def test_a_blank_name_is_named() -> None:
    with pytest.raises(CommandError, match="printed name: "):
        call_command(
            *("add_person", "ada", "--printed-name", "", "--role", "admin"), "--random-password"
        )
