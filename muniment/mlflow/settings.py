"""What the MLflow server's environment says about the gatekeeper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from muniment.attest.envelope import PublicKey
from muniment.attest.errors import AttestError
from muniment.governed import GovernedNames

URL = "MUNIMENT_URL"
PUBLIC_KEY_FILE = "MUNIMENT_GRANT_PUBLIC_KEY_FILE"
GATEKEEPER_SECRET = "MUNIMENT_GATEKEEPER_SECRET"  # noqa: S105 - the variable's name
SOURCE = "MUNIMENT_SOURCE"
GOVERNED_MODELS = "MUNIMENT_GOVERNED_MODELS"
GOVERNED_ALIASES = "MUNIMENT_GOVERNED_ALIASES"

_DEFAULT_SOURCE = "default"

# What MLflow accepts as an alias (mlflow.utils.validation), without those that it reserves.
_ALIAS = re.compile(r"[\w-]{1,255}")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)


class SettingsError(ValueError):
    """An environment variable holds what cannot be enforced as it stands.

    Attributes:
        variable: the variable's name.
    """

    code = "gatekeeper.settings"

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable} {message}")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Settings:
    """The gatekeeper's settings.

    Attributes:
        governed: what needs a grant.
        source: this registry's name in Muniment; grants are bound to it.
        muniment_url: without a slash at its end; None if not set.
        public_key_pem: the grant key's public half; None if it cannot be had.
        secret: signs what Muniment is told of refusals; empty if it is told nothing.
        url_problem: why there is no URL to reserve grants at; empty if there is one.
        key_problem: why there is no key to verify grants with; empty if there is one.
    """

    governed: GovernedNames
    source: str = _DEFAULT_SOURCE
    muniment_url: str | None = None
    public_key_pem: str | None = None
    secret: str = field(default="", repr=False)
    url_problem: str = ""
    key_problem: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings, and the key file that they name.

        A variable that is empty counts as not set, and so as its default: emptiness never
        governs less.

        Raises:
            SettingsError: a list without a name in it, an alias that MLflow could never have
                (a pattern, for instance, which would protect nothing), or a URL that is not
                http or https.
        """
        url_problem = key_problem = ""
        url = environ.get(URL, "").strip().rstrip("/")
        if not url:
            url_problem = f"{URL} is not set, so no grant can be reserved"
        elif not _is_plain_url(url):
            raise SettingsError(URL, "is not an http or https URL without credentials or query")
        key_file = environ.get(PUBLIC_KEY_FILE, "").strip()
        public_key_pem = None
        if not key_file:
            key_problem = f"{PUBLIC_KEY_FILE} is not set, so no grant can be verified"
        else:
            try:
                public_key_pem = Path(key_file).read_text(encoding="ascii")
                PublicKey.from_pem(public_key_pem)
            except (OSError, UnicodeDecodeError, AttestError) as error:
                public_key_pem = None
                key_problem = (
                    f"{PUBLIC_KEY_FILE} names {key_file!r}, from which no public key can be read"
                    f" ({type(error).__name__}), so no grant can be verified"
                )
        return cls(
            governed=GovernedNames(
                models=_names(environ, GOVERNED_MODELS, default=("*",)),
                aliases=_aliases(environ),
            ),
            source=environ.get(SOURCE, "").strip() or _DEFAULT_SOURCE,
            muniment_url=url or None,
            public_key_pem=public_key_pem,
            secret=environ.get(GATEKEEPER_SECRET, "").strip(),
            url_problem=url_problem,
            key_problem=key_problem,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why no grant can be honoured: then governed changes are all refused."""
        return tuple(problem for problem in (self.url_problem, self.key_problem) if problem)

    def page_url(self, name: str, version: str = "", alias: str = "") -> str | None:
        """Return an address in Muniment, None if Muniment's own is not known.

        Args:
            name: a model, whose page it is; or that of
            version: one of its versions; or that of
            alias: the version's promotion to this alias, where one can be requested otherwise.
        """
        if self.muniment_url is None:
            return None
        parts = ["models", name]
        if version:
            parts += ["versions", version]
            parts += ["promotions", alias] if alias else []
        page = "/".join([self.muniment_url, *(quote(part, safe="") for part in parts)])
        # Another registry may have a model of the same name.
        return page if self.source == _DEFAULT_SOURCE else f"{page}?source={quote(self.source)}"


def _names(
    environ: Mapping[str, str], variable: str, *, default: tuple[str, ...]
) -> tuple[str, ...]:
    value = environ.get(variable, "")
    if not value.strip():
        return default
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise SettingsError(variable, "holds no name; leave it unset for the default")
    return names


def _aliases(environ: Mapping[str, str]) -> tuple[str, ...]:
    aliases = _names(environ, GOVERNED_ALIASES, default=("champion",))
    for alias in aliases:
        if _ALIAS.fullmatch(alias) is None:
            raise SettingsError(
                GOVERNED_ALIASES, f"holds {alias!r}, which cannot be an alias (no patterns here)"
            )
        if _RESERVED_ALIAS.fullmatch(alias):
            raise SettingsError(
                GOVERNED_ALIASES, f"holds {alias!r}, which MLflow reserves and nobody can set"
            )
    return aliases


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and port_is_valid
        and not (parts.username or parts.password or parts.query or parts.fragment)
    )
