"""Grants: used once, for exactly one change, and by nobody who forges one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from audits.services.signing import grant_signer, keyring, statement_signer
from lineage.errors import MlflowUnavailable
from muniment.attest.envelope import EnvelopeSigner
from muniment.attest.keys import load_file_signer
from muniment.grant import HEADER, read_grant
from muniment.grant import Grant as GrantClaims
from muniment.grant import issue_grant as sign_grant
from registry.errors import GrantRefused
from registry.models import Grant, Promotion
from registry.services.grants import confirm_grant, issue_token, reserve_grant
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import MODEL, LiveRegistry
from tests.integration.registry.signing import at_once


@pytest.fixture
def promotion(live: LiveRegistry, settings: Any) -> Promotion:
    """A promotion whose grant may be used, and has not been."""
    approved = live.approved()
    live.world.sequence()
    with Forwarder(live.url) as lossy:
        lossy.lose_alias_requests()
        settings.MLFLOW_TRACKING_URI = lossy.url
        with pytest.raises(MlflowUnavailable):
            live.run(approved)
    settings.MLFLOW_TRACKING_URI = live.url
    return Promotion.objects.get(pk=approved.pk)


@pytest.fixture
def token(promotion: Promotion) -> str:
    issued = issue_token(promotion=promotion, now=timezone.now())
    assert issued is not None
    return issued


@pytest.fixture
def ledger(live_url: str) -> Iterator[httpx.Client]:
    """Muniment's two endpoints, as the registry store asks them."""
    with httpx.Client(base_url=f"{live_url}/api/v1/grants/", trust_env=False) as client:
        yield client


def claims_of(token: str) -> GrantClaims:
    (key,) = keyring().for_use("grant")
    return read_grant(token, key.public_key_pem, now=timezone.now())


def forged(token: str, signer: EnvelopeSigner | None = None, **changed: Any) -> str:
    return sign_grant(replace(claims_of(token), **changed), signer or grant_signer())


def foreign_signer(folder: Path) -> EnvelopeSigner:
    private = folder / "foreign.key"
    private.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    return load_file_signer(f"file2:{private}")


def require_refusal(ledger: httpx.Client, token: str, step: str = "reserve") -> str:
    answer = ledger.post(step, json={"grant": token})
    assert answer.status_code == 409, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert said["code"] == "grant_refused"
    assert said["request_id"]
    return str(said["detail"])


def test_a_grant_is_reserved_once_and_confirmed_again_and_again(
    ledger: httpx.Client, token: str
) -> None:
    assert "not reserved" in require_refusal(ledger, token, "confirm")
    answer = ledger.post("reserve", json={"grant": token})
    assert (answer.status_code, answer.json()) == (200, {"status": "reserved"})
    assert "used before" in require_refusal(ledger, token)
    for _ in range(2):
        answer = ledger.post("confirm", json={"grant": token})
        assert (answer.status_code, answer.json()) == (200, {"status": "confirmed"})
    assert "used before" in require_refusal(ledger, token)
    assert Grant.objects.get().status == Grant.Status.CONFIRMED


def test_ten_at_once_reserve_it_once(token: str) -> None:
    raised = at_once(*[lambda: reserve_grant(token=token, now=timezone.now())] * 10)
    assert sorted(type(error).__name__ for error in raised) == ["GrantRefused"] * 9 + ["NoneType"]


def test_a_grant_for_anything_else_is_refused(ledger: httpx.Client, token: str) -> None:
    for changed in (
        {"source": "elsewhere"},
        {"model": "another"},
        {"model": MODEL.upper()},
        {"version": "2"},
        {"alias": "shadow"},
        {"grant_id": uuid4()},
    ):
        require_refusal(ledger, forged(token, **changed))
    assert Grant.objects.get().status == Grant.Status.WRITTEN


def test_a_grant_that_muniment_did_not_sign_is_refused(
    ledger: httpx.Client, token: str, tmp_path: Path
) -> None:
    require_refusal(ledger, forged(token, foreign_signer(tmp_path)))
    # A key of the keyring, but not the one for grants.
    require_refusal(ledger, forged(token, statement_signer()))
    assert Grant.objects.get().status == Grant.Status.WRITTEN


def test_a_grant_that_was_touched_is_refused(ledger: httpx.Client, token: str) -> None:
    envelope = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["version"] = "2"
    envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    touched = base64.urlsafe_b64encode(json.dumps(envelope).encode()).decode().rstrip("=")
    require_refusal(ledger, touched)
    for garbage in (token[:-4], token + "AAAA", f" {token}", token.upper(), "e30", "größe", "{}"):
        if garbage.strip() != token:
            require_refusal(ledger, garbage)
    assert Grant.objects.get().status == Grant.Status.WRITTEN


def test_an_expired_grant_is_refused(ledger: httpx.Client, token: str) -> None:
    old = forged(token, expires_at=timezone.now() - timedelta(seconds=1))
    assert "expired" in require_refusal(ledger, old)
    with pytest.raises(GrantRefused, match="expired"):
        reserve_grant(token=token, now=claims_of(token).expires_at)
    assert Grant.objects.get().status == Grant.Status.WRITTEN


def test_a_grant_lives_for_a_minute(token: str) -> None:
    left = claims_of(token).expires_at - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_a_grant_of_a_promotion_that_is_not_being_executed_is_refused(
    ledger: httpx.Client, live: LiveRegistry
) -> None:
    approved = live.approved()
    early = issue_token(promotion=approved, now=timezone.now())
    assert early is not None
    assert "not being executed" in require_refusal(ledger, early)


def test_a_used_grant_is_worth_nothing_to_whoever_copied_it(
    live: LiveRegistry, promotion: Promotion, token: str
) -> None:
    assert live.run(promotion).status == "executed"
    live.train(MODEL)
    for version in (1, 2):
        answer = httpx.post(
            f"{live.url}/api/2.0/mlflow/registered-models/alias",
            json={"name": MODEL, "alias": "champion", "version": str(version)},
            headers={HEADER: token},
            trust_env=False,
        )
        assert answer.status_code == 403
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert live.champion() == 1


def test_a_reservation_that_may_still_come_to_something_gives_no_second_token(
    promotion: Promotion, token: str
) -> None:
    now = timezone.now()
    reserve_grant(token=token, now=now)
    assert issue_token(promotion=promotion, now=now + timedelta(seconds=59)) is None
    later = issue_token(promotion=promotion, now=now + timedelta(seconds=61))
    assert later is not None
    # What was given up is worth nothing any more, also to the store that comes too late.
    with pytest.raises(GrantRefused):
        confirm_grant(token=token, now=now)
    assert Grant.objects.filter(status=Grant.Status.VOID).count() == 1


def test_a_confirmed_grant_gives_no_further_token(promotion: Promotion, token: str) -> None:
    now = timezone.now()
    reserve_grant(token=token, now=now)
    confirm_grant(token=token, now=now)
    assert issue_token(promotion=promotion, now=now) is None
    assert Grant.objects.get().status == Grant.Status.CONFIRMED


def test_a_token_tells_no_more_than_the_store_needs(token: str, promotion: Promotion) -> None:
    claims = claims_of(token)
    assert (claims.model, claims.version, claims.operation, claims.alias) == (
        MODEL,
        "1",
        "set_alias",
        "champion",
    )
    assert claims.promotion_url.endswith(f"/promotions/{promotion.pk}/")
