"""Keys that come later: another statement or grant key, and a log key that takes over.

Every step may be repeated: what it finds done it leaves as it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from config.embedded.errors import HomeUnusable
from config.embedded.home import create_private_file, write_private_file
from config.embedded.keys import InstanceKeys, make_ed25519_pem, write_keyring
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.keyring import KeyEntry, Keyring, LogKey
from muniment.attest.keys import public_key_pem_of
from muniment.attest.predicates import PREDICATE_TYPES
from muniment.attest.signers import load_note_signer, load_signer

ADDED_USES: Final = ("statement", "grant")


def add_key(folder: Path, use: str, uri: str) -> str:
    """Put a key's public half into the keyring; return it as PEM.

    Args:
        use: one of `ADDED_USES`. A statement key may sign every predicate type.

    Raises:
        HomeUnusable: the key or the keyring cannot be used, or the key has another use already.
    """
    keys = InstanceKeys(folder)
    try:
        ring = Keyring.load(keys.keyring)
        pem = public_key_pem_of(load_signer(uri))
        types = PREDICATE_TYPES if use == "statement" else ()
        entry = KeyEntry.for_key(use, pem, predicate_types=types)
        known = ring.key_for(entry.keyid)
        if known is None or known.use != use:
            write_keyring(keys, replace(ring, keys=(*ring.keys, entry)))
    except AttestError as error:
        raise HomeUnusable(f"this key was not added to {keys.keyring}: {error}") from error
    return pem


def begin_rotation(folder: Path, *, uri: str | None = None) -> str:
    """Let a new log key sign beside the one in use; return its vkey.

    Args:
        uri: a key that exists, as `load_note_signer` takes it; None makes a file in the folder.

    Raises:
        HomeUnusable: a key cannot be used, was the log's before, or another rotation has begun.
    """
    keys = InstanceKeys(folder)
    try:
        ring = Keyring.load(keys.keyring)
        in_use, *coming = keys.log_lines
        if coming and uri not in (None, coming[0]):
            raise HomeUnusable(f"a rotation to {coming[0]} has begun: --finish that one first")
        line = coming[0] if coming else uri or _make_key_file(keys)
        vkey = load_note_signer(ring.log.origin, keys.uri_of(line)).vkey
        if vkey not in ring.log.vkeys:
            log = LogKey(ring.log.vkey, ring.log.origin, (vkey, *ring.log.others))
            ring = replace(ring, log=log)
        elif not coming:
            raise HomeUnusable(f"{line} is the log's key, or was: a new one takes over")
        _write_lines(keys, [in_use, line])
        write_keyring(keys, ring)
    except AttestError as error:
        raise HomeUnusable(f"the log's key stays as it is: {error}") from error
    return vkey


def finish_rotation(folder: Path, *, checkpoint_file: Path | None = None) -> str:
    """Let the new log key sign alone; return its vkey.

    The old vkey stays in the keyring, so that what it signed verifies for ever.

    Args:
        checkpoint_file: the newest checkpoint; None for the one in the folder.

    Raises:
        HomeUnusable: no rotation has begun, a key cannot be used, or the checkpoint is not
            signed by both keys: whoever trusts the old one could not follow.
    """
    keys = InstanceKeys(folder)
    try:
        ring = Keyring.load(keys.keyring)
        vkeys = [load_note_signer(ring.log.origin, uri).vkey for uri in keys.log_uris]
        if len(vkeys) < 2:
            raise HomeUnusable("no rotation has begun: --begin comes first")
        _require_both(vkeys, checkpoint_file or keys.published_checkpoint)
        new = vkeys[-1]
        others = tuple(vkey for vkey in ring.log.vkeys if vkey != new)
        write_keyring(keys, replace(ring, log=LogKey(new, ring.log.origin, others)))
        _write_lines(keys, keys.log_lines[-1:])
    except AttestError as error:
        raise HomeUnusable(f"the log's key stays as it is: {error}") from error
    return new


def _require_both(vkeys: list[str], checkpoint_file: Path) -> None:
    try:
        note = checkpoint_file.read_bytes()
    except OSError as error:
        raise HomeUnusable(
            f"cannot read the newest checkpoint, {checkpoint_file}: {error.strerror}. Start the "
            "sequencer with both keys, let it sign, and name that checkpoint with --checkpoint"
        ) from error
    for vkey in vkeys:
        try:
            verify_checkpoint(note, vkey)
        except AttestError as error:
            raise HomeUnusable(
                f"{checkpoint_file} is not signed by {vkey} ({error.message}): let the sequencer "
                "sign with both keys first, so that auditors who hold the old key can follow"
            ) from error


def _make_key_file(keys: InstanceKeys) -> str:
    """Make the next of `log-2.pem`, `log-3.pem`…; return its name."""
    number = 2
    while not create_private_file(path := keys.folder / f"log-{number}.pem", make_ed25519_pem):
        number += 1
    return path.name


def _write_lines(keys: InstanceKeys, lines: list[str]) -> None:
    write_private_file(keys.log_keys, "".join(f"{line}\n" for line in lines).encode())
