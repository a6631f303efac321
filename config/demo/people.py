"""The people of the demo: who they are, and where their passwords are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.embedded.home import write_private_file
from config.embedded.stack import EmbeddedStack

PEOPLE: Final = (
    ("admin", "Ada Admin", "admin"),
    ("engineer", "Erik Engineer", "engineer"),
    ("reviewer", "Rita Reviewer", "reviewer"),
    ("reviewer2", "Ravi Reviewer", "reviewer"),
    ("auditor", "Aude Auditor", "auditor"),
)
TOKEN_HOLDERS: Final = ("engineer", "auditor")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords by username, and API tokens of those who have one."""

    passwords: dict[str, str]
    tokens: dict[str, str]


def ensure_people(stack: EmbeddedStack) -> Credentials:
    """Add who is not there yet; return everybody's credentials, kept from the first run on."""
    kept_file = stack.home.path / "secrets" / "demo-people.json"
    kept = _read(kept_file)
    for username, printed_name, role in PEOPLE:
        if username in kept.passwords:
            continue
        shown = json.loads(
            stack.run_manage(
                *("add_person", username, "--printed-name", printed_name, "--role", role),
                *("--random-password", "--json"),
                role="web",
            )
        )
        kept.passwords[username] = shown["password"]
        _write(kept_file, kept)
    for username in TOKEN_HOLDERS:
        if username not in kept.tokens:
            shown = json.loads(
                stack.run_manage("issue_token", username, "--name", "demo", "--json", role="web")
            )
            kept.tokens[username] = shown["token"]
            _write(kept_file, kept)
    return kept


def _read(path: Path) -> Credentials:
    if not path.is_file():
        return Credentials(passwords={}, tokens={})
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Credentials(passwords=kept["passwords"], tokens=kept["tokens"])


def _write(path: Path, credentials: Credentials) -> None:
    content = {"passwords": credentials.passwords, "tokens": credentials.tokens}
    write_private_file(path, json.dumps(content).encode())
