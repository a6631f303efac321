"""Whose address stands in the log and counts for failed log-ins: none that a client made up."""

from __future__ import annotations

import pytest
from django.test import RequestFactory, override_settings

from config.request_log import client_address


@override_settings(SECURE_PROXY_SSL_HEADER=None)
def test_without_a_proxy_only_the_socket_is_believed() -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "192.0.2.7"})
    assert client_address(request) == "127.0.0.1"


@pytest.mark.parametrize(
    ("claimed", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        # The proxy adds what it saw behind what the client had written.
        ("198.51.100.1, 203.0.113.9, 192.0.2.7", "192.0.2.7"),
        ("198.51.100.1,", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_behind_a_proxy_it_is_the_one_that_the_proxy_saw(claimed: str, address: str) -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": claimed})
    assert client_address(request) == address
