"""Deciding on one registry call: the rules, and the grant where the rules ask for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from muniment.grant import RESTORE, ROLLBACK_ALIAS, Grant, GrantError, read_grant
from muniment.mlflow.messenger import Messenger, RefusedChange, printable
from muniment.mlflow.reservation import GrantLedger, GrantRefused, MunimentUnreachable
from muniment.mlflow.rules import (
    GrantNeeded,
    NameKind,
    Refusal,
    RegistryCall,
    judge_call,
)
from muniment.mlflow.settings import Settings
from muniment.registrant import seal_registrant

logger = logging.getLogger("muniment.mlflow")


class ChangeRefused(Exception):
    """A change is not let through. Its message is one sentence for whoever tried it.

    Attributes:
        why: the clause of it that says the reason.
    """

    code = "gatekeeper.change_refused"

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True)
class Permit:
    """A verified grant for exactly the call at hand, and the token that it came in.

    Attributes:
        admitted_at: the instant at which it was found valid.
        what: what the call would do, as a clause.
    """

    grant: Grant
    token: str
    admitted_at: datetime
    what: str

    @property
    def is_rollback(self) -> bool:
        """Say whether the grant is counted in MLflow's own database, and nobody is asked."""
        return self.grant.operation == ROLLBACK_ALIAS


class Gatekeeper:
    """Lets a registry call through, or says why not.

    Law: no call that needs a grant gets through without one that the grant key signed for it,
    that has not expired, and that is used up by this one call: reserved at Muniment, or, of a
    rollback, counted in the transaction that makes the change.

    Args:
        settings: the server's.
        clock: the present instant, with a UTC offset.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._ledger = GrantLedger(settings.muniment_url) if settings.muniment_url else None
        self._messenger = Messenger.of(settings)

    def admit(
        self,
        call: RegistryCall,
        *,
        kind_of_name: Callable[[str], NameKind],
        token: Callable[[], str | None],
    ) -> Permit | None:
        """Return None for a call that needs no grant, else the permit that it came with.

        Asks nobody over the network: a call without a token is refused at once.

        Args:
            call: a call of a judged method.
            kind_of_name: reads the database; asked only where it matters.
            token: the value of the grant header in the current request, None without one;
                asked only where a grant is needed.

        Raises:
            ChangeRefused: the call may not be made.
        """
        verdict = judge_call(call, governed=self._settings.governed, kind_of_name=kind_of_name)
        if verdict is None:
            return None
        if isinstance(verdict, GrantNeeded):
            return self._read_permit(call, verdict, token())
        # What nobody may do, Muniment may still do again as it was.
        presented = token() if call.change is not None else None
        if presented is None:
            raise self._refused(call, verdict)
        return self._read_permit(call, GrantNeeded((RESTORE,), verdict), presented)

    def reserve(self, call: RegistryCall, permit: Permit) -> None:
        """Use the grant up at Muniment. After this the change is made, or the grant is lost.

        Raises:
            ChangeRefused: Muniment says no, or gives no answer in two seconds.
        """
        what = permit.what
        if self._ledger is None:
            raise self._refused(call, Refusal(what, self._settings.url_problem), permit)
        try:
            self._ledger.reserve(permit.token)
        except GrantRefused as error:
            why = f"Muniment does not honour its grant ({error})"
            raise self._refused(call, Refusal(what, why), permit) from error
        except MunimentUnreachable as error:
            why = f"Muniment cannot be reached to reserve its grant ({error})"
            raise self._refused(call, Refusal(what, why), permit) from error

    def refuse_rollback(self, call: RegistryCall, permit: Permit, why: str) -> ChangeRefused:
        """Return the refusal of a rollback that its own transaction found impossible."""
        return self._refused(call, Refusal(permit.what, why), permit)

    def confirm(self, permit: Permit) -> None:
        """Tell Muniment that the change was made.

        Never raises for Muniment's sake: the change stands, and Muniment settles a reservation
        that stays open by reading the alias.
        """
        if self._ledger is None:
            return
        try:
            self._ledger.confirm(permit.token)
        except (GrantRefused, MunimentUnreachable) as error:
            logger.warning(
                "grant %s was carried out but not confirmed: %s", permit.grant.grant_id, error
            )

    def seal_registrant(self, user: str, *, model: str, location: str) -> str | None:
        """Return what a version's row is to say of who registers it; None where nobody is known."""
        return seal_registrant(
            user,
            secret=self._settings.secret,
            registry=self._settings.source,
            model=model,
            location=location,
        )

    def tell_guarding(self, mlflow_version: str) -> None:
        """Let Muniment know, some time soon and then every hour, that the registry is guarded."""
        if self._messenger is not None:
            self._messenger.tell_guarding(mlflow_version)

    def tell_refusal(self, call: RegistryCall, why: str, user: str) -> None:
        """Let Muniment know, some time soon, that a call was refused."""
        if self._messenger is not None:
            is_number = call.version.isascii() and call.version.isdecimal()
            self._messenger.tell_refusal(
                RefusedChange(
                    method=call.method,
                    model=printable(call.name),
                    version=call.version if is_number and len(call.version) < 10 else "",
                    alias=printable(call.alias),
                    why=printable(why),
                    user=printable(user),
                )
            )

    def _read_permit(self, call: RegistryCall, needed: GrantNeeded, token: str | None) -> Permit:
        if token is None:
            raise self._refused(call, needed.refusal)
        what = needed.refusal.what
        if self._settings.public_key_pem is None:
            # Found at start, too; repeated here so that whoever meets it knows whom to ask.
            raise self._refused(call, Refusal(what, self._settings.key_problem))
        now = self._clock()
        try:
            grant = read_grant(token, self._settings.public_key_pem, now=now)
        except GrantError as error:
            why = {
                "grant.expired": f"its grant is not valid: {error.message}",
                "grant.bad_signature": "its grant was not signed by Muniment's grant key",
            }.get(error.code, "its grant is malformed")
            raise self._refused(call, Refusal(what, why)) from error
        permit = Permit(grant, token, now, what)
        if grant.operation == RESTORE and RESTORE in needed.operations:
            return self._read_restore(call, permit)
        fits = grant.operation in needed.operations
        other = grant.differs_in(
            source=self._settings.source,
            model=call.name,
            version=call.version,
            operation=grant.operation if fits else needed.operations[0],
            alias=call.alias,
        )
        if other is not None:
            raise self._refused(call, Refusal(what, f"its grant is for another {other}"), permit)
        return permit

    def _read_restore(self, call: RegistryCall, permit: Permit) -> Permit:
        change, grant = call.change, permit.grant
        is_it = (
            change is not None
            and (grant.source, grant.model) == (self._settings.source, call.name)
            and grant.change_sha256 == change.digest
        )
        if not is_it:
            why = "its grant is for another change"
            raise self._refused(call, Refusal(permit.what, why), permit)
        return permit

    def _refused(
        self, call: RegistryCall, refusal: Refusal, permit: Permit | None = None
    ) -> ChangeRefused:
        if permit is not None:
            where = f"see {permit.grant.promotion_url}"
        elif page := self._settings.page_url(
            call.name, call.version, promoted := self._promoted_alias(call)
        ):
            where = f"see or request its promotion at {page}" if promoted else f"see {page}"
        else:
            where = "ask for a promotion in Muniment"
        sentence = f"{refusal.what} is refused: {refusal.why}; {where}"
        logger.warning("%s", sentence)
        return ChangeRefused(sentence, refusal.why)

    def _promoted_alias(self, call: RegistryCall) -> str:
        """Return the alias that a promotion could have set for this call; empty for another."""
        if call.method != "set_registered_model_alias" or not call.version.isdecimal():
            return ""
        return self._settings.governed.governed_alias(call.alias) or ""
