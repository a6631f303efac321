"""``muniment``: its exit statuses, its one JSON document, and what it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.attest.digest import dir_hash, sha256_file
from tests.unit.cli.conftest import ROOT, Muniment
from tests.unit.verify.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def report(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    path.write_bytes(world.report())
    return path


def test_help_names_every_command_and_loads_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from muniment.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(loaded - sys.stdlib_module_names), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "['muniment']"
    assert all(f"\n    {name} " in done.stdout for name in ("digest", "verify", "gate", "rollback"))


@pytest.mark.parametrize("command", ["gate", "rollback"])
def test_the_clients_are_standard_library_alone(command: str) -> None:
    code = (
        f"import sys, muniment.cli.{command}\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'cryptography', 'jsonschema', 'pyhanko', 'requests', 'httpx'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("verify",),
        ("verify", "report.pdf"),
        ("verify", "report.pdf", "--vkey", "nonsense"),
        ("digest",),
        ("gate", "model"),
        ("gate", "model", "1"),
        ("gate", "model", "1", "--alias", "champion", "--wait", "soon"),
        ("gate", "model", "1", "--alias", "champion", "--wait", "-1"),
        ("gate", "model", "1", "--alias", "champion", "--output", "junit"),
        ("gate", "model", "1", "--alias", "champion", "--output", "csv=x"),
    ],
)
def test_a_misused_command_exits_2_and_says_so_in_json_too(
    muniment: Muniment, arguments: tuple[str, ...]
) -> None:
    done = muniment(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr
    done = muniment(*arguments, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "usage"


def test_digests_are_printed_like_sha256sum(muniment: Muniment, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x")
    done = muniment("digest", "folder", "folder/file")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"{dir_hash(tmp_path / 'folder')}  folder",
        f"{sha256_file(tmp_path / 'folder' / 'file')}  folder/file",
    ]
    answer = json.loads(muniment("digest", "folder", "--json").stdout)
    assert answer["digests"] == [{"path": "folder", "digest": str(dir_hash(tmp_path / "folder"))}]


def test_a_path_that_cannot_be_hashed_fails_and_the_others_are_printed(
    muniment: Muniment, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    done = muniment("digest", "link", "absent", "file")
    assert done.returncode == 1
    assert done.stdout == f"{sha256_file(tmp_path / 'file')}  file\n"
    assert "symlink refused" in done.stderr
    done = muniment("digest", "link", "file", "--json")
    assert done.returncode == 1
    codes = [item.get("error", {}).get("code") for item in json.loads(done.stdout)["digests"]]
    assert codes == ["digest.not_a_file", None]


def test_a_name_cannot_colour_the_terminal(muniment: Muniment, tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mred").write_bytes(b"x")
    done = muniment("digest", "\x1b[31mred")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_an_honest_report_exits_0_and_every_finding_is_in_words(
    muniment: Muniment, world: World, report: Path
) -> None:
    done = muniment("verify", report, "--vkey", world.vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok  ") == 11
    assert "FAILED" not in done.stdout
    assert done.stdout.endswith("All of it holds.\n")
    assert "This report alone cannot show:" in done.stdout


def test_the_json_says_the_same(muniment: Muniment, world: World, report: Path) -> None:
    done = muniment("verify", report, "--vkey", world.vkey, "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert answer["holds"] is True
    assert len(answer["findings"]) == 11
    assert all(finding["holds"] for finding in answer["findings"])
    assert answer["limits"]


@pytest.mark.parametrize("kind", ["flipped", "absent", "empty", "text", "other_key"])
def test_what_does_not_hold_exits_1_with_one_json_document(
    muniment: Muniment, world: World, report: Path, tmp_path: Path, kind: str
) -> None:
    content = bytearray(report.read_bytes())
    content[len(content) // 3] ^= 4
    vkey = world.vkey
    path = tmp_path / "report.pdf"
    if kind == "flipped":
        path.write_bytes(content)
    elif kind in ("empty", "text"):
        path.write_bytes(b"" if kind == "empty" else b"hello")
    elif kind == "other_key":
        path = report
        vkey = make_world(tmp_path).vkey
    done = muniment("verify", path, "--vkey", vkey)
    assert done.returncode == 1
    assert "DO NOT RELY ON THIS" in done.stdout
    assert "Traceback" not in done.stderr
    done = muniment("verify", path, "--vkey", vkey, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["holds"] is False
    assert [finding for finding in answer["findings"] if not finding["holds"]]


def test_verifying_needs_no_server_and_no_home(
    muniment: Muniment, world: World, report: Path
) -> None:
    environment = {"MUNIMENT_HOME": "/nowhere", "http_proxy": "http://127.0.0.1:1"}
    done = muniment("verify", report, "--vkey", world.vkey, env=environment)
    assert done.returncode == 0


def write_keyring(home: Path, world: World, **log: str) -> Path:
    path = home / "keys" / "keyring.json"
    path.parent.mkdir(exist_ok=True)
    named = {"vkey": world.vkey, "origin": world.log.name, **log}
    path.write_text(json.dumps({"log": named, "keys": []}))
    return path


def test_where_muniment_runs_its_own_logs_key_is_taken_and_named(
    muniment: Muniment, world: World, report: Path, tmp_path: Path
) -> None:
    path = write_keyring(tmp_path, world)
    done = muniment("verify", report, env={"MUNIMENT_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"No --vkey was given; the log's key is {world.vkey}, from {path}." in done.stdout
    done = muniment("verify", report, "--json", env={"MUNIMENT_HOME": str(tmp_path)})
    answer = json.loads(done.stdout)
    assert (answer["vkey"], answer["vkey_from"]) == (world.vkey, str(path))


def test_a_given_key_outranks_the_installed_one(
    muniment: Muniment, world: World, report: Path, tmp_path: Path
) -> None:
    other = make_world(tmp_path)
    write_keyring(tmp_path, other)
    home = {"MUNIMENT_HOME": str(tmp_path)}
    assert muniment("verify", report, env=home).returncode == 1
    done = muniment("verify", report, "--vkey", world.vkey, env=home)
    assert done.returncode == 0
    assert "keyring.json" not in done.stdout


@pytest.mark.parametrize("fault", ["absent", "no key"])
def test_without_a_key_anywhere_nothing_is_verified(
    muniment: Muniment, world: World, report: Path, tmp_path: Path, fault: str
) -> None:
    """The report holds a key too, and it is not taken from there."""
    if fault == "no key":
        write_keyring(tmp_path, world, vkey="nonsense")
    done = muniment("verify", report, env={"MUNIMENT_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "no --vkey was given" in done.stderr
    assert "Traceback" not in done.stderr


def test_django_is_never_loaded(world: World, report: Path) -> None:
    code = (
        "import sys\n"
        "from muniment.cli import main\n"
        f"status = main(['verify', {str(report)!r}, '--vkey', {world.vkey!r}, '--json'])\n"
        "print(status, 'django' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0 False"


def test_without_its_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    """A kit installed bare: the standard library, and nothing else on the path."""
    (tmp_path / "muniment").symlink_to(ROOT / "muniment")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from muniment.cli import main; "
        "sys.exit(main(['verify', 'x.pdf', '--vkey', 'v', '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "missing_extra"
    assert "muniment[verify]" in done.stderr
