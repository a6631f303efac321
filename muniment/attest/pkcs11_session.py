"""The one logged-in session that a process has in a PKCS#11 token.

It is opened when a key is first used, which a prefork worker does after its fork; a child of a
process that has one opens its own.

Source: PKCS#11 2.40 and 3.0 (OASIS).
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import pkcs11
from pkcs11.exceptions import (
    MultipleTokensReturned,
    NoSuchToken,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
    UserPinNotInitialized,
)

from muniment.attest.errors import TokenError
from muniment.attest.key_uri import TokenPlace

if TYPE_CHECKING:
    from pkcs11 import _pkcs11

MODULE: Final = "MUNIMENT_PKCS11_MODULE"
PIN_FILE: Final = "MUNIMENT_PKCS11_PIN_FILE"
_MAX_PIN_BYTES: Final = 1024

_PIN_REFUSALS: Final = (
    *(PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked),
    UserPinNotInitialized,
)

T = TypeVar("T")


class Token:
    """One token, in which this process has at most one logged-in session."""

    def __init__(self, module: str, label: str | None) -> None:
        self._module = module
        self._label = label
        self._session: pkcs11.Session | None = None
        self._refused_pin: str | None = None

    def __str__(self) -> str:
        return "the token" if self._label is None else f"the token {self._label!r}"

    def use(self, operation: Callable[[pkcs11.Session], T]) -> T:
        """Return what ``operation`` does in the session; a lost session is opened anew, once,
        in a library that is initialized anew.

        Raises:
            TokenError: also whatever ``operation`` refuses, which is not tried again.
        """
        with _process.lock:
            try:
                return operation(self._opened())
            except PKCS11Error:
                _process.start_anew()
            try:
                return operation(self._opened())
            except PKCS11Error as error:
                _process.start_anew()
                raise self._refusal(error) from error

    def forget(self) -> None:
        """Drop the session without touching it; the next use opens one."""
        self._session = None

    def _opened(self) -> pkcs11.Session:
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> pkcs11.Session:
        with _pin_file() as file:
            pin = _read_pin(file)
            if pin == self._refused_pin:
                # Most tokens lock after a few wrong PINs, and a sequencer asks every second.
                raise TokenError(
                    f"{self} refused the PIN in {PIN_FILE} before, and is not asked again until "
                    "the file holds another",
                    code="token.pin",
                )
            token = _library(self._module).get_token(
                token_label=self._label, token_flags=pkcs11.TokenFlag.TOKEN_INITIALIZED
            )
            try:
                return token.open(user_pin=pin)
            except UserAlreadyLoggedIn:
                return token.open()  # a login is the process's: another session holds it
            except _PIN_REFUSALS as error:
                self._refused_pin = pin
                raise TokenError(
                    f"{self} refuses the PIN in {PIN_FILE}: {type(error).__name__}",
                    code="token.pin",
                ) from None

    def _refusal(self, error: PKCS11Error) -> TokenError:
        if isinstance(error, NoSuchToken):
            return TokenError(
                f"{self} is not among those that {MODULE} ({self._module}) shows",
                code="token.absent",
            )
        if isinstance(error, MultipleTokensReturned):
            return TokenError(
                f"{MODULE} ({self._module}) shows more than one such token: name it by a label "
                "that no other has",
                code="token.two_tokens",
            )
        return TokenError(f"{self} failed twice: {_said(error)}", code="token.failed")


def token_of(place: TokenPlace) -> Token:
    """Return the token in which that key is, the same one for every key in it.

    Raises:
        TokenError: MUNIMENT_PKCS11_MODULE is not set.
    """
    module = os.environ.get(MODULE, "")
    if not module:
        raise TokenError(
            f"{MODULE} is not set: the path of the token's PKCS#11 library", code="token.module"
        )
    return _process.tokens.setdefault((module, place.token), Token(module, place.token))


def _library(module: str) -> _pkcs11.lib:
    try:
        library = pkcs11.lib(module)
        if _process.is_stale:
            _process.is_stale = False
            try:
                library.reinitialize()
            except PKCS11Error:
                library.initialize()
    except PKCS11Error as error:
        raise TokenError(
            f"{MODULE} ({module}) cannot be loaded: {_said(error)}", code="token.module"
        ) from error
    return library


@contextmanager
def _pin_file() -> Iterator[BinaryIO]:
    """Open the file with the PIN, which one process at a time holds while it logs in.

    SoftHSM writes the token's file anew at every login, and finds no token while another does.
    """
    path = os.environ.get(PIN_FILE, "")
    if not path:
        raise TokenError(f"{PIN_FILE} is not set: the file with the token's PIN", code="token.pin")
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below, once it is known to be there
    except OSError as error:
        raise TokenError(
            f"{PIN_FILE} ({path}) cannot be read: {error.strerror}", code="token.pin"
        ) from error
    with file:
        with suppress(OSError):  # some network file systems lock nothing
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read_pin(file: BinaryIO) -> str:
    try:
        pin = file.read(_MAX_PIN_BYTES).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise TokenError(f"{PIN_FILE} ({file.name}) is not text", code="token.pin") from None
    if not pin:
        raise TokenError(f"{PIN_FILE} ({file.name}) is empty", code="token.pin")
    return pin


def _said(error: PKCS11Error) -> str:
    return str(error) or type(error).__name__


@dataclass
class _Process:
    """What this process has of tokens.

    Attributes:
        lock: held in every call: the library is initialized for one thread at a time.
        is_stale: whether the library must be initialized before it is used again: a child must
            do so itself (PKCS#11 2.40, section 5.1.1), and after a failure nothing of what the
            library remembers of its tokens is relied on.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: dict[tuple[str, str | None], Token] = field(default_factory=dict)
    is_stale: bool = False

    def start_anew(self) -> None:
        """Forget every session: initializing the library ends them all."""
        self.is_stale = True
        for token in self.tokens.values():
            token.forget()

    def start_as_child(self) -> None:
        """Leave locks and sessions to the process that we were forked from."""
        self.lock = threading.RLock()
        self.start_anew()


_process = _Process()
os.register_at_fork(after_in_child=_process.start_as_child)
