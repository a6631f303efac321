"""Where a person is written to, and about what."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.errors import AddressInvalid
from accounts.models import MailRefusal, NoticeKind, User


@transaction.atomic
def choose_mail(*, person: User, email: str, kinds: Collection[str]) -> None:
    """Set a person's e-mail address and the kinds of notice that they want by e-mail.

    Nothing of it enters the log: an address is personal data, and decides nothing.

    Args:
        email: empty for none, and then nothing is sent.
        kinds: every other kind is refused.

    Raises:
        AddressInvalid: the address is malformed or too long, or a kind unknown; nothing is changed.
    """
    address = email.strip()
    if not set(kinds) <= set(NoticeKind.values):
        raise AddressInvalid("One of the kinds does not exist. Reload the page and choose again.")
    if address:
        _require_address(address)
    User.objects.filter(pk=person.pk).update(email=address)
    refused = set(NoticeKind.values) - set(kinds)
    MailRefusal.objects.filter(user=person).exclude(kind__in=refused).delete()
    MailRefusal.objects.bulk_create(
        [MailRefusal(user=person, kind=kind) for kind in sorted(refused)], ignore_conflicts=True
    )


def _require_address(address: str) -> None:
    try:
        validate_email(address)
        User._meta.get_field("email").run_validators(address)
    except ValidationError as error:
        raise AddressInvalid(
            "This is not an e-mail address, so nothing was changed. Write it as name@host.example."
        ) from error
