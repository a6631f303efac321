"""Files on web servers.

On the server the address of a host is looked up once, checked, and connected to as it was checked:
neither a name that points into our own network nor a redirect leads anywhere that no admin named.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote, urljoin

from muniment.datasets.errors import DatasetMissing, DatasetRefused, DatasetUnreachable
from muniment.datasets.location import Location, parse_location, without_credentials
from muniment.datasets.places import Access, AllowedPlace
from muniment.datasets.sources import CHUNK_BYTES, Source

WAIT_SECONDS: Final = 60.0
FILE_SECONDS: Final = 6 * 3600.0
_REDIRECTS: Final = 5
_MOVED: Final = (301, 302, 303, 307, 308)
_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "muniment"}
_FAILURES: Final = (OSError, http.client.HTTPException, ValueError)


class AllowedWebSource(Source):
    """A file on a web server that an admin allowed, or files below an address.

    A web server lists nothing, so it is never a folder.

    Args:
        wait_seconds: for each answer and each piece of it.
        file_seconds: for the whole file.
    """

    def __init__(
        self,
        location: Location,
        access: Access,
        *,
        wait_seconds: float = WAIT_SECONDS,
        file_seconds: float = FILE_SECONDS,
    ) -> None:
        """Name it. Nothing is asked yet."""
        self.address = str(location)
        self._access = access
        self._wait_seconds, self._file_seconds = wait_seconds, file_seconds

    def listing(self) -> Mapping[str, int] | None:
        """Return None: it is a single file."""
        return None

    def close(self) -> None:
        """Hold nothing open."""

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        """Open one file, as `Source.stream`."""
        address = f"{self.address}/{quote(name)}" if name else self.address
        with ExitStack() as stack:
            for _ in range(_REDIRECTS):
                location = parse_location(address)
                place = self._access.place_of(location)
                headers = _headers(place)
                try:
                    connection = _connect(location, place, self._wait_seconds)
                    stack.callback(connection.close)
                    connection.request("GET", location.path or "/", headers=headers)
                    answer = stack.enter_context(connection.getresponse())
                except _FAILURES as error:
                    raise _unreachable(address, error) from error
                if answer.status not in _MOVED:
                    require_status(answer.status, address)
                    yield _body(answer, address, file_seconds=self._file_seconds)
                    return
                # Where it points to is opened only if an admin allowed that too.
                address = _joined(address, answer.headers.get("Location", ""))
            raise DatasetRefused(
                f"{self.address} is redirected more than {_REDIRECTS} times",
                code="dataset.redirects",
            )


class WebSource(Source):
    """A file on a web server, as this machine reaches it: through its proxies, after redirects."""

    def __init__(self, address: str) -> None:
        """Name it. Nothing is asked yet."""
        self.address, self._asked = without_credentials(address), address

    def listing(self) -> Mapping[str, int] | None:
        """Return None: it is a single file."""
        return None

    def close(self) -> None:
        """Hold nothing open."""

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        """Open the file, as `Source.stream`."""
        request = urllib.request.Request(self._asked, headers=_HEADERS)  # noqa: S310 - the caller's
        try:
            answer = urllib.request.urlopen(request, timeout=WAIT_SECONDS)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                require_status(error.code, self.address)
            raise
        except _FAILURES as error:
            raise _unreachable(self.address, error) from error
        with answer:
            require_status(answer.status, self.address)
            yield _body(answer, self.address)


def require_status(status: int, address: str) -> None:
    """Pass 200 only.

    Raises:
        DatasetMissing: the server says that there is no such file.
        DatasetRefused: it wants other credentials.
        DatasetUnreachable: it answered anything else.
    """
    if status in (404, 410):
        raise DatasetMissing(f"there is nothing at {address} (status {status})")
    if status in (401, 403):
        raise DatasetRefused(
            f"the server does not give out {address} (status {status})", code="dataset.forbidden"
        )
    if status != http.HTTPStatus.OK:
        raise DatasetUnreachable(f"{address}: the server answered {status}")


# All that is given out of IPv6 (RFC 4291, 2.4); the rest leads into somebody's own network.
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")


def require_public(address: str, place: AllowedPlace) -> None:
    """Refuse an IP address that is nobody's on the internet, unless the place is meant to have one.

    Raises:
        DatasetRefused: loopback, private, link-local, multicast or reserved, also where it is
            written inside an IPv6 address. A place that names exactly this address allows it; one
            with the option ``private_network`` allows all but link-local addresses.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    named = place.location.host
    if named.rpartition(":")[0].strip("[]") == str(found) or named.strip("[]") == str(found):
        return
    inner = found
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or found
        if found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    is_ours = inner.is_private and not inner.is_link_local and not inner.is_unspecified
    if is_ours and place.options.get("private_network") == "yes":
        return
    is_elsewhere = isinstance(inner, ipaddress.IPv6Address) and (
        inner not in _GLOBAL_UNICAST or inner.teredo is not None
    )
    if not inner.is_global or inner.is_multicast or inner.is_link_local or is_elsewhere:
        raise DatasetRefused(
            f"{named} has the address {found}, which is none on the internet; a place with the "
            "option private_network=yes may have one",
            code="dataset.private_address",
        )


def _connect(
    location: Location, place: AllowedPlace, wait_seconds: float
) -> http.client.HTTPConnection:
    """Connect to exactly the address that was checked; the name is looked up once."""
    connection: http.client.HTTPConnection
    if location.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            location.host, timeout=wait_seconds, context=context
        )
    else:
        context = None
        connection = http.client.HTTPConnection(location.host, timeout=wait_seconds)
    port = connection.port or _PORTS[location.scheme]
    found = socket.getaddrinfo(connection.host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        require_public(str(address[0]), place)
    # The first that answers, as it was checked: nobody looks the name up again.
    failure: OSError | None = None
    for *_, address in found:
        try:
            plain = socket.create_connection((str(address[0]), port), timeout=wait_seconds)
        except OSError as error:
            failure = error
            continue
        if context is None:
            connection.sock = plain
            return connection
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=connection.host)
        except BaseException:
            plain.close()
            raise
        return connection
    raise failure or OSError("the host has no address")


def _joined(address: str, target: str) -> str:
    try:
        return urljoin(address, target)
    except ValueError as error:
        raise DatasetRefused(
            f"{address} is redirected to what is no address", code="dataset.redirects"
        ) from error


def _headers(place: AllowedPlace) -> dict[str, str]:
    token = place.credential_values().get("token")
    return {**_HEADERS, **({"Authorization": f"Bearer {token}"} if token else {})}


def _body(answer: Any, address: str, *, file_seconds: float = FILE_SECONDS) -> Iterator[bytes]:
    """Yield the content; an error where it is not whole."""
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise DatasetUnreachable(f"{address}: the server sent another encoding than was asked for")
    deadline = time.monotonic() + file_seconds
    while True:
        try:
            # As it comes: whoever sends a byte a minute would else keep us within one call.
            chunk = answer.read1(CHUNK_BYTES)
        except _FAILURES as error:
            raise _unreachable(address, error) from error
        if time.monotonic() > deadline:
            raise DatasetUnreachable(f"{address}: the server takes too long")
        if not chunk:
            break
        yield chunk
    if answer.length not in (None, 0):
        raise DatasetUnreachable(f"{address}: the answer is cut short")


def _unreachable(address: str, error: Exception) -> DatasetUnreachable:
    return DatasetUnreachable(f"{address} cannot be read: {type(error).__name__}")
