"""Every command on a page exists, with the options that the page gives it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest
import yaml
from django.core.management import CommandError, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import resolve

from muniment.cli import UsageError, _parser
from tests.unit.docs.pages import PAGES, ROOT, code, command_lines, fenced, read

_END_OF_COMMAND = {"<", ">", "|", "&&", "||", ";", "2>&1"}
_PLACEHOLDERS = {"…", "X"}


def mentions(text: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of every mention of a program, given as a pattern of its last part."""
    for line in command_lines(text):
        try:
            words = shlex.split(line.replace("\N{HORIZONTAL ELLIPSIS}", "…"))
        except ValueError:
            continue
        for place, word in enumerate(words):
            if not re.fullmatch(program, word):
                continue
            arguments: list[str] = []
            for argument in words[place + 1 :]:
                if argument in _END_OF_COMMAND:
                    break
                arguments.append(argument.rstrip(",;"))
            yield arguments


def all_mentions(program: str) -> list[tuple[str, list[str]]]:
    return [
        (f"{page.name}: {' '.join(arguments)}", arguments)
        for page in PAGES
        for arguments in mentions(read(page), program)
    ]


def parametrized(program: str) -> pytest.MarkDecorator:
    found = {name: arguments for name, arguments in all_mentions(program) if arguments}
    assert found, f"no page mentions {program}"
    return pytest.mark.parametrize("arguments", list(found.values()), ids=list(found))


@parametrized(r"(?:\S*/)?manage\.py")
def test_management_commands_exist_and_take_what_the_page_gives(arguments: list[str]) -> None:
    name, *rest = arguments
    if name in _PLACEHOLDERS:
        return
    apps = get_commands()
    assert name in apps
    app = apps[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    if not rest or "--help" in rest:
        return
    try:
        command.create_parser("manage.py", name).parse_args(rest)
    except CommandError as error:
        pytest.fail(str(error))


@parametrized(r"(?:\S*/)?muniment")
def test_commands_of_the_kit_exist_and_take_what_the_page_gives(arguments: list[str]) -> None:
    if arguments[0] in _PLACEHOLDERS:
        return
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        # The name alone: the command exists if it has help.
        with pytest.raises(SystemExit, match="0"):
            _parser().parse_args([*arguments, "--help"])
        return
    try:
        _parser().parse_args(arguments)
    except UsageError as error:
        pytest.fail(str(error))


@parametrized("make")
def test_make_targets_exist(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):.*## ", read(ROOT / "Makefile"), flags=re.MULTILINE)
    assert arguments[0] in targets or arguments[0] in _PLACEHOLDERS


def test_the_embedded_commands_exist() -> None:
    asked = {
        tuple(arguments[1:2])
        for _, arguments in all_mentions(r"-m")
        if arguments[:1] == ["config.embedded"]
    }
    assert {("keys",), ("roles",)} <= asked
    for command in asked:
        done = subprocess.run(
            [sys.executable, "-m", "config.embedded", *command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_programs_in_bin_exist() -> None:
    named = {
        found
        for page in PAGES
        for block in code(read(page))
        for found in re.findall(r"(?<![\w/.])bin/[\w-]+", block.body)
    }
    assert "bin/make-env" in named
    assert not [name for name in named if not os.access(ROOT / name, os.X_OK)]


def test_compose_services_exist() -> None:
    services = yaml.safe_load(read(ROOT / "docker-compose.yml"))["services"]
    seen = set()
    for _, arguments in all_mentions("docker"):
        if arguments[:1] != ["compose"] or len(arguments) < 2:
            continue
        verb, rest = arguments[1], arguments[2:]
        seen.add(verb)
        if verb in ("exec", "run"):
            values = {rest[place + 1] for place, word in enumerate(rest) if word == "-e"}
            names = [word for word in rest if not word.startswith("-") and word not in values]
            assert names[0] in services, arguments
        for word in rest:
            scaled = re.fullmatch(r"(\w+)=\d+", word)
            assert not scaled or scaled[1] in services, arguments
    assert {"exec", "run", "build", "up"} <= seen


def test_addresses_of_the_server_exist() -> None:
    named = {
        found.rstrip(".,")
        for page in PAGES
        for block in code(read(page))
        for found in re.findall(
            r"(?<![\w./])/(?:healthz|api/v1|log|hooks)[\w/.{}-]*", _without_hosts(block.body)
        )
    }
    assert {"/healthz", "/log/checkpoint", "/log/leaves/0/", "/api/v1/docs"} <= named
    for path in named - {"/log", "/log/"}:
        given = {"{name}": "a", "{version}": "1", "{id}": str(UUID(int=1))}
        for placeholder, value in given.items():
            path = path.replace(placeholder, value)
        resolve(path)


def _without_hosts(text: str) -> str:
    return re.sub(r"https?://[\w.:-]+|\$MUNIMENT_URL", " ", text)


@pytest.mark.parametrize("document", fenced(read(ROOT / "docs/gate.md"), "yaml"))
def test_pipelines_are_yaml_and_call_the_gate(document: str) -> None:
    assert isinstance(yaml.safe_load(document), dict)
    [arguments] = [
        found for found in mentions(f"```yaml\n{document}```", "muniment") if found[:1] == ["gate"]
    ]
    _parser().parse_args(arguments)
