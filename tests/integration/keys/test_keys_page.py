"""The commands of docs/keys.md, run in the page's order on a real token and a real folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from audits.services.sequencer import sequence_pending
from config.embedded.keys import InstanceKeys, make_keys
from muniment.attest.keyring import Keyring
from muniment.attest.keys import PublicKey
from muniment.attest.signers import load_note_signer
from tests.integration.keys.conftest import PIN, Processes, SoftHsm
from tests.integration.keys.test_log_key_rotation import NOW, state
from tests.unit.docs.pages import DOCS, ROOT, command_lines, fenced, read, section

PAGE = read(DOCS / "keys.md")
COMPOSE = yaml.safe_load(read(ROOT / "docker-compose.yml"))["services"]


def commands(heading: str, program: str) -> Iterator[str]:
    """Yield the lines of a section that begin with a program."""
    for line in command_lines(section(PAGE, heading)):
        if line.startswith(f"{program} "):
            yield line


class Shell:
    """A shell as the page's reader has it, with the page's variables."""

    def __init__(self, **variables: str) -> None:
        # `python` is the one that the tests run in.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, **variables, "PATH": path}

    def run(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", f'PIN="$(cat "$MUNIMENT_PKCS11_PIN_FILE")"; export PIN\n{line}'],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def keys(tmp_path: Path) -> InstanceKeys:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return make_keys(folder, now=datetime.now(UTC))


@pytest.fixture
def shell(softhsm: SoftHsm, keys: InstanceKeys, tmp_path: Path) -> Shell:
    """A computer with SoftHSM2 and no token yet."""
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    pin_file = tmp_path / "token-pin"
    pin_file.write_text(PIN)
    return Shell(
        KEYS=str(keys.folder),
        SOFTHSM2_CONF=str(configuration),
        MUNIMENT_PKCS11_MODULE=softhsm.module,
        MUNIMENT_PKCS11_PIN_FILE=str(pin_file),
    )


@pytest.fixture
def with_token(shell: Shell) -> Shell:
    """The same, after the page's first two steps."""
    [init] = commands("## A key in a token", "softhsm2-util")
    shell.run(f"{init} --so-pin 12345678 --pin '{PIN}'")  # at a terminal it asks
    made = [shell.run(line) for line in commands("## A key in a token", "pkcs11-tool")]
    assert ["Key pair generated" in said for said in made] == [True, True]
    return shell


def test_a_statement_key_is_made_in_a_token_and_added(
    with_token: Shell, keys: InstanceKeys
) -> None:
    [add] = [
        line
        for line in commands("## Another statement or grant key", "python -m config.embedded")
        if "…" not in line
    ]
    pem = with_token.run(add)
    [_, added] = Keyring.load(keys.keyring).for_use("statement")
    assert added.public_key_pem == pem
    assert PublicKey.from_pem(pem).scheme == "ecdsa-sha2-nistp256"


def test_a_log_key_in_a_file_takes_over(
    shell: Shell, keys: InstanceKeys, processes: Processes
) -> None:
    begin, _, finish, _ = commands("## Another log key", "python -m config.embedded")
    vkey = shell.run(begin).splitlines()[0]
    assert vkey == load_note_signer(keys.origin, f"file2:{keys.folder}/log-2.pem").vkey
    processes.start(keys)
    state(1)
    sequence_pending(now=NOW)
    assert shell.run(finish).splitlines()[0] == vkey
    assert Keyring.load(keys.keyring).log.vkey == vkey


def test_a_log_key_in_a_token_takes_over_under_a_checkpoint_that_was_fetched(
    with_token: Shell, keys: InstanceKeys
) -> None:
    """The sequencer that signs the overlap runs where the token is: in a process of its own."""
    _, begin, _, finish = commands("## Another log key", "python -m config.embedded")
    vkey = with_token.run(begin).splitlines()[0]
    assert keys.log_lines == ["log.pem", "pkcs11:token=muniment;object=log-1"]
    program = keys.folder / "sign.py"
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from config.embedded.keys import InstanceKeys\n"
        "from muniment.attest.checkpoint import Checkpoint, sign_checkpoint\n"
        "from muniment.attest.signers import load_note_signer\n"
        "keys = InstanceKeys(Path(sys.argv[1]))\n"
        "signers = [load_note_signer(keys.origin, uri) for uri in keys.log_uris]\n"
        "note = sign_checkpoint(Checkpoint(keys.origin, 1, bytes(32)), *signers)\n"
        "Path(sys.argv[1], 'checkpoint').write_bytes(note)\n"
    )
    with_token.run(f'PYTHONPATH=. python {program} "$KEYS"')
    assert with_token.run(finish).splitlines()[0] == vkey
    assert keys.log_uris == ["pkcs11:token=muniment;object=log-1"]


def test_the_page_s_override_gives_the_sequencer_both_keys_and_nobody_else() -> None:
    [document] = fenced(PAGE, "yaml")
    [(name, override)] = yaml.safe_load(document)["services"].items()
    assert name == "sequencer"
    targets = [
        volume["target"]
        for volume in (*COMPOSE[name]["volumes"], *override["volumes"])
        if isinstance(volume, dict)
    ]
    files = override["environment"]["MUNIMENT_LOG_KEYS"].split(",")
    assert [uri.removeprefix("file2:") for uri in files] == ["/run/log/log.pem", *targets[-1:]]
    assert "/run/log/log.pem" in targets
    assert COMPOSE[name]["environment"]["MUNIMENT_LOG_KEYS"] == files[0]


def test_the_page_lists_every_use_and_scheme() -> None:
    from muniment.attest.keyring import USES

    stated = section(PAGE, "## Which keys, and what each may sign")
    for use in USES:
        assert f"| `{use}` |" in stated
    for scheme in ("file2:", "hsm:", "pkcs11:"):
        assert f"| `{scheme}" in stated
