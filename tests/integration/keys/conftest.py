"""A real token: SoftHSM2 in a temporary folder, and keys that are made in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audits.services import sequencer, signing
from config.embedded.keys import InstanceKeys

PIN = "made-up-4711"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
# In a process of its own: a login is a process's, and the product's is what is tested.
_MAKE_KEY = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_named_curve_parameters

module, token, pin, kind, label, key_id = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
    named = {"store": True, "label": label, "id": bytes.fromhex(key_id)}
    if kind == "rsa":
        session.generate_keypair(KeyType.RSA, 2048, **named)
    else:
        family = KeyType.EC_EDWARDS if kind == "1.3.101.112" else KeyType.EC
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(kind)}
        parameters = session.create_domain_parameters(family, curve, local=True)
        how = Mechanism.EC_EDWARDS_KEY_PAIR_GEN if family is KeyType.EC_EDWARDS else None
        parameters.generate_keypair(mechanism=how, **named)
"""
_REMOVE_KEY = """
import sys
import pkcs11

module, token, pin, label, half = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
    wanted = {pkcs11.Attribute.LABEL: label}
    if half != "both":
        wanted[pkcs11.Attribute.CLASS] = pkcs11.ObjectClass[half]
    for found in list(session.get_objects(wanted)):
        found.destroy()
"""


@dataclass(frozen=True)
class SoftHsm:
    """A folder with tokens, and the module that reads it."""

    folder: Path
    module: str

    def init_token(self, label: str) -> None:
        self.run("softhsm2-util", "--init-token", "--free", "--label", label, *_PINS)

    def make_key(self, token: str, kind: str, label: str, key_id: str) -> None:
        """Make a key pair; ``kind`` is ``ed25519``, ``rsa`` or the name of a curve."""
        kind = "1.3.101.112" if kind == "ed25519" else kind
        self.python(_MAKE_KEY, self.module, token, PIN, kind, label, key_id)

    def remove_key(self, token: str, label: str, half: str = "both") -> None:
        self.python(_REMOVE_KEY, self.module, token, PIN, label, half)

    def python(self, program: str, *arguments: str) -> str:
        return self.run(sys.executable, "-c", program, *arguments)

    def run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


_PINS = ("--so-pin", "12345678", "--pin", PIN)


@pytest.fixture(scope="session")
def softhsm() -> Iterator[SoftHsm]:
    """Tokens ``muniment`` and ``other``, and two of the name ``twin``."""
    module = next((path for path in MODULES if Path(path).exists()), "libsofthsm2.so")
    with tempfile.TemporaryDirectory(prefix="muniment-softhsm-") as name:
        folder = Path(name)
        (folder / "tokens").mkdir()
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\n")
        # The module reads it when it is first used in a process, so that it stays for the session.
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        made = SoftHsm(folder, module)
        for label in ("muniment", "other", "twin", "twin"):
            made.init_token(label)
        made.make_key("muniment", "ed25519", "log-1", "01")
        made.make_key("muniment", "secp256r1", "statement-1", "02")
        made.make_key("muniment", "secp384r1", "statement-2", "0300")
        made.make_key("other", "ed25519", "log-1", "01")
        yield made
        del os.environ["SOFTHSM2_CONF"]


@pytest.fixture
def hsm(softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """The tokens, with the two settings that reach them."""
    pin_file = tmp_path / "pin"
    pin_file.write_text(f"{PIN}\n")
    monkeypatch.setenv("MUNIMENT_PKCS11_MODULE", softhsm.module)
    monkeypatch.setenv("MUNIMENT_PKCS11_PIN_FILE", str(pin_file))
    return softhsm


class Processes:
    """This process in the place of those that hold keys: told anew, as if started anew."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    def start(self, keys: InstanceKeys) -> None:
        """Take the keys of a folder, as web and sequencer do when they start."""
        self._settings.KEYRING_FILE = str(keys.keyring)
        self._settings.STATEMENT_KEY_URI = keys.statement_uri
        self._settings.LOG_KEY_URIS = keys.log_uris
        self._settings.PUBLISHED_CHECKPOINT_FILE = str(keys.published_checkpoint)
        self.forget()

    def forget(self) -> None:
        signing.keyring.cache_clear()
        signing.statement_signer.cache_clear()
        sequencer._log_signers.cache_clear()


@pytest.fixture
def processes(committed_database: str, settings: Any) -> Iterator[Processes]:
    """Whoever holds keys, on a database of the test's own."""
    told = Processes(settings)
    yield told
    told.forget()
