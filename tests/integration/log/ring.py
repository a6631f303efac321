"""Several witnesses on loopback, and the policy on them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audits.independent import witness_policy
from audits.services.signing import keyring
from muniment.attest.log_policy import LogPolicy
from tests.integration.log.loopback import Loopback
from tests.integration.log.witness import Witness


@dataclass
class Ring:
    """Witnesses and the policy on them; each listens on a port of its own."""

    folder: Path
    settings: Any
    stack: ExitStack
    witnesses: dict[str, Witness] = field(default_factory=dict)
    servers: dict[str, Loopback] = field(default_factory=dict)
    policies: int = 0

    def start(self, *names: str) -> None:
        """Begin to answer; what a witness has seen before is in its folder."""
        for name in names:
            port = self.servers[name].port if name in self.servers else 0
            self.witnesses[name] = Witness(
                f"{name}.test/w", self.folder / name, *keyring().log.vkeys
            )
            self.servers[name] = Loopback(self.witnesses[name].respond, port)
            self.stack.callback(self.servers[name].stop)

    def stop(self, *names: str) -> None:
        for name in names:
            self.servers[name].stop()

    def require(self, quorum: str) -> LogPolicy:
        """Set the policy: the last lines of its file, after the witnesses'."""
        lines = [f"log {keyring().log.vkey}"] + [
            f"witness {name} {self.witnesses[name].vkey} {server.url}"
            for name, server in self.servers.items()
        ]
        self.policies += 1
        file = self.folder / f"policy-{self.policies}"
        file.write_text("\n".join([*lines, quorum, ""]))
        self.settings.WITNESS_POLICY_FILE = str(file)
        policy = witness_policy()
        assert policy is not None
        return policy
