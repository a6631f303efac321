"""Every environment variable that is read is documented, and the other way round."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from config.embedded import OVERRIDE_NAMES
from config.embedded.environments import _INHERITED, TOKEN_SETTINGS, role_environment
from config.embedded.roles import LOGIN_ROLES
from muniment.mlflow import settings as gatekeeper
from tests.instance import INSTANCE
from tests.unit.docs.pages import DOCS, ROOT, read, section, table_rows

RUNNING = read(DOCS / "running.md")
COMPOSE = read(ROOT / "docker-compose.yml")
_NAME = re.compile(r"`([A-Z][A-Z0-9_]+|https?_proxy)`")


def documented() -> set[str]:
    """Return the variables in the first column of the tables of settings, and the inherited."""
    settings = section(RUNNING, "## Settings")
    cells = [row[0] for row in table_rows(settings)]
    guide = section(
        read(DOCS / "protect-mlflow.md"), "## 3. Set the environment of the MLflow server"
    )
    cells += [row[0] for row in table_rows(guide)]
    inherited = settings[settings.index("Services started on one machine inherit") :]
    cells.append(inherited[: inherited.index("\n\n")])
    return {name for cell in cells for name in _NAME.findall(cell)}


def read_by(path: Path) -> set[str]:
    """Return the variables that a module reads by name, in whatever way."""
    names = set()
    for node in ast.walk(ast.parse(read(path))):
        first: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args and _reads_environment(node.func):
            first = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            first = node.slice
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            names.add(first.value)
        elif first is not None:
            # A name that is not written out is passed in by a caller, whom the next lines find.
            assert ast.unparse(first) in ("url_name", "name"), f"{path}: {ast.unparse(first)}"
    return names


def _reads_environment(function: ast.expr) -> bool:
    text = ast.unparse(function)
    return bool(
        re.fullmatch(
            r"env\.(?!Env)\w+|_database|(os\.)?environ\.(get|setdefault)|environment\.get", text
        )
    )


def read_anywhere() -> set[str]:
    names = {
        *(
            vars(gatekeeper)[name]
            for name in vars(gatekeeper)
            if re.fullmatch(r"[A-Z][A-Z_]+", name)
        ),
        *OVERRIDE_NAMES,
        *_INHERITED,
        *TOKEN_SETTINGS,
        "NO_PROXY",
        "SUPERUSER_DATABASE_URL",
        *(f"{role.upper()}_PASSWORD" for role in LOGIN_ROLES),
        *re.findall(r"\$\{([A-Z_]+)", COMPOSE),
    }
    modules = [
        ROOT / "config/settings.py",
        ROOT / "config/wsgi.py",
        ROOT / "muniment/gate/client.py",
        *(ROOT / "config/demo").glob("*.py"),
        *(path for path in (ROOT / "config/embedded").glob("*.py") if path.stem != "launch"),
    ]
    for path in modules:
        names |= read_by(path)
    for service in yaml.safe_load(COMPOSE)["services"].values():
        names |= set(service.get("environment", {}))
    names |= set(re.findall(r"\$\{(PYTHON):-", read(ROOT / "bin/set-up")))
    # What the containers of others read, and where a process may write.
    return names - {"POSTGRES_INITDB_ARGS", "REDISCLI_AUTH"}


def test_every_variable_that_is_read_is_documented() -> None:
    assert not sorted(read_anywhere() - documented())


def test_every_documented_variable_is_read() -> None:
    assert not sorted(documented() - read_anywhere())


def test_reading_in_a_new_way_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('import os\nenv.str("ONE")\nos.environ["TWO"]\nos.environ.get("THREE")\n')
    assert read_by(module) == {"ONE", "TWO", "THREE"}
    module.write_text("import os\nos.environ.get(elsewhere)\n")
    with pytest.raises(AssertionError, match="elsewhere"):
        read_by(module)


def secrets_on_the_page() -> dict[str, set[str]]:
    """Return, by service, what the page says that it alone is given."""
    rows = table_rows(section(RUNNING, "### Which process has which secret"))
    return {row[0].strip("`"): set(_NAME.findall(row[2])) for row in rows}


def test_each_service_of_the_compose_file_has_the_secrets_on_the_page_and_no_other() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    common = set(yaml.safe_load(COMPOSE)["x-common"])
    page = secrets_on_the_page()
    for name in ("web", "worker", "recompute", "sequencer", "beat", "migrate"):
        assert set(services[name]["environment"]) - common == page[name], name
    given = services["mlflow"]["environment"]
    ours = {name for name in given if re.fullmatch(r"MUNIMENT_.*_(KEY_FILE|SECRET)", name)}
    assert ours == page["mlflow"]


@pytest.mark.parametrize("role", ["web", "worker", "recompute", "sequencer", "beat", "migrate"])
def test_each_embedded_process_has_the_secrets_on_the_page_and_no_other(role: str) -> None:
    stack = INSTANCE.stack

    def given(which: str) -> set[str]:
        return set(role_environment(which, stack.home, stack.keys, stack.addresses))

    assert given(role) - given("beat") == secrets_on_the_page()[role]


@pytest.mark.parametrize(
    "name", ["log", "statement", "grant", "grant_public", "pdf", "pdf_certificate", "keyring"]
)
def test_every_key_file_is_documented(name: str) -> None:
    page = section(RUNNING, "### The keys")
    assert f"| `{getattr(INSTANCE.stack.keys, name).name}` |" in page
