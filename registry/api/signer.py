"""What a signature over REST is given with: a passkey needs a page of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from registry.services.signing import Password


class SignerInput(serializers.Serializer[None]):
    password = serializers.CharField(max_length=4096, trim_whitespace=False)
    code = serializers.CharField(
        max_length=7,
        default="",
        allow_blank=True,
        help_text="A one-time code of the signer's device, where a policy asks for more than a "
        "password.",
    )


def signed_with(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, with the password and the code as the means of signing."""
    rest = {name: value for name, value in given.items() if name not in ("password", "code")}
    return rest | {"means": Password(given["password"], given["code"])}
