"""Who registered a model version, as the MLflow server itself knows it.

The registry store inside MLflow writes it where MLflow authenticated the caller; Muniment, which
shares a secret with that server, reads it. A tag that a client wrote proves nothing: without the
secret nobody makes the value.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable

#: The tag of a model version that says who registered it.
REGISTRANT_TAG = "muniment.registrant"


def seal_registrant(
    account: str, *, secret: str, registry: str, model: str, location: str
) -> str | None:
    """Return the tag's value: HMAC-SHA256 in hexadecimal, None without a secret or an account.

    The account itself cannot be read from it, only tried: what Muniment mirrors goes to a log from
    which nothing is erased.

    Args:
        account: as MLflow authenticated it.
        secret: what Muniment and this MLflow server share.
        registry: the registry's name in Muniment.
        model: the registered model's name then.
        location: what the version was registered from, as MLflow's row has it for `source`.
    """
    if not secret or not account:
        return None
    said = json.dumps(["muniment.registrant/v1", registry, model, location, account])
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def find_registrant(
    sealed: str | None,
    accounts: Iterable[str],
    *,
    secret: str,
    registry: str,
    model: str,
    location: str,
) -> str | None:
    """Return which of these accounts a tag's value was made for; None for none of them."""
    for account in accounts if sealed else ():
        made = seal_registrant(
            account, secret=secret, registry=registry, model=model, location=location
        )
        if made is not None and hmac.compare_digest(made.encode(), str(sealed).encode()):
            return account
    return None
