"""The keys that this process was given, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from audits.errors import KeyUnavailable
from muniment.attest.keyring import Keyring
from muniment.attest.signers import load_signer

if TYPE_CHECKING:
    from muniment.attest.envelope import EnvelopeSigner
    from muniment.attest.signers import KnownSigner


@cache
def keyring() -> Keyring:
    """Return the public keys, each with the predicate types that it may sign.

    Raises:
        KeyUnavailable: MUNIMENT_KEYRING names no file.
    """
    if not settings.KEYRING_FILE:
        raise KeyUnavailable("MUNIMENT_KEYRING is not set: no key is trusted.")
    return Keyring.load(Path(settings.KEYRING_FILE))


@cache
def statement_signer() -> KnownSigner:
    """Return the signer of statements.

    Raises:
        KeyUnavailable: this process was not given the statement key.
    """
    if not settings.STATEMENT_KEY_URI:
        raise KeyUnavailable("MUNIMENT_STATEMENT_KEY is not set: this process signs nothing.")
    return load_signer(settings.STATEMENT_KEY_URI)


def may_state(predicate_type: str) -> bool:
    """Say whether the statement key of this process may sign statements of that type.

    Raises:
        KeyUnavailable: as `keyring` and `statement_signer`.
    """
    return keyring().permits(statement_signer().public_key.keyid, predicate_type)


@cache
def grant_signer() -> EnvelopeSigner:
    """Return the signer of grants, which only the executing worker has.

    Raises:
        KeyUnavailable: this process was not given the grant key.
    """
    if not settings.GRANT_KEY_URI:
        raise KeyUnavailable("MUNIMENT_GRANT_KEY is not set: this process grants nothing.")
    return load_signer(settings.GRANT_KEY_URI)
