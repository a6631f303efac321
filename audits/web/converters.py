"""How addresses carry digests."""

from __future__ import annotations

from django.urls import register_converter


class Sha256Converter:
    """A SHA-256 as 64 lower-case hexadecimal digits."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Sha256Converter, "sha256")
