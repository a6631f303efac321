"""The places from which data sets may be opened: everything else is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from muniment.datasets.errors import DatasetRefused
from muniment.datasets.location import Location, parse_location

MAX_BYTES: Final = 256 * 1024**3
# What a place may say beside its prefix; all of it in words, credentials by their variables.
OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "file": frozenset(),
    "s3": frozenset({"endpoint_url", "region_name"}),
    "gs": frozenset({"project"}),
    "az": frozenset({"account_name"}),
    "https": frozenset({"private_network"}),
    "http": frozenset({"private_network"}),
}
CREDENTIALS: Final[Mapping[str, frozenset[str]]] = {
    "file": frozenset(),
    "s3": frozenset({"key", "secret", "token"}),
    "gs": frozenset({"token"}),
    "az": frozenset({"account_key", "sas_token", "connection_string"}),
    "https": frozenset({"token"}),
    "http": frozenset(),
}
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowedPlace:
    """One prefix that an admin allowed.

    Attributes:
        prefix: an address; it allows itself and what lies in it, by whole parts of the path.
        is_immutable: an admin promises that nothing is overwritten there.
        options: of the store: ``endpoint_url`` and ``region_name`` of S3, and so on; on the web
            ``private_network`` with the value ``yes`` where its host has a private address.
        credentials: what it is → the environment variable that holds it.

    Raises:
        DatasetRefused: a prefix that ``parse_location`` refuses, an option or credential that
            stores of its scheme do not take, or what is no variable's name.
    """

    prefix: str
    is_immutable: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scheme = self.location.scheme
        for what, given, known in (
            ("option", self.options, OPTIONS[scheme]),
            ("credential", self.credentials, CREDENTIALS[scheme]),
        ):
            for name in given:
                if name not in known:
                    raise DatasetRefused(
                        f"a place of {scheme}:// takes "
                        + (f"the {what}s {', '.join(sorted(known))}" if known else f"no {what}s")
                        + f", not {name[:80]!r}",
                        code="dataset.place",
                    )
        if scheme == "s3" and self.credentials and not {"key", "secret"} <= set(self.credentials):
            # With a part of them S3's library would look for others on this machine.
            raise DatasetRefused(
                "a place of s3:// takes key and secret together, or neither", code="dataset.place"
            )
        for variable in self.credentials.values():
            if _VARIABLE.fullmatch(variable) is None:
                raise DatasetRefused(
                    "give the name of an environment variable (capitals, digits, underscores), "
                    "never the credential itself",
                    code="dataset.place",
                )

    @property
    def location(self) -> Location:
        """Return the prefix, taken apart."""
        return parse_location(self.prefix)

    def credential_values(self) -> dict[str, str]:
        """Read the credentials from this process's environment.

        Raises:
            DatasetRefused: a variable is not set.
        """
        values = {name: os.environ.get(variable, "") for name, variable in self.credentials.items()}
        for name, variable in self.credentials.items():
            if not values[name]:
                raise DatasetRefused(
                    f"the place {self.prefix} names the environment variable {variable}, which "
                    "this process was not given",
                    code="dataset.credentials",
                )
        return values


@dataclass(frozen=True, slots=True)
class Access:
    """What may be opened, and how much of it.

    Attributes:
        max_bytes: that one data set may have.
    """

    places: tuple[AllowedPlace, ...] = ()
    max_bytes: int = MAX_BYTES

    def place_of(self, location: Location) -> AllowedPlace:
        """Return the place that allows an address; of several the innermost.

        Raises:
            DatasetRefused: none does.
        """
        allowing = [place for place in self.places if location.is_beneath(place.location)]
        if not allowing:
            raise DatasetRefused(
                f"{str(location)[:300]} lies in no place that an admin allowed for this source; "
                "`manage.py places add` allows one",
                code="dataset.not_allowed",
            )
        return max(allowing, key=lambda place: len(place.location.path))

    def pins(self, uri: str) -> bool:
        """Say whether an address lies in a place where nothing is overwritten."""
        try:
            return self.place_of(parse_location(uri)).is_immutable
        except DatasetRefused:
            return False
