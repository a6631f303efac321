"""Which process is told what: each gets the addresses and secrets that its role needs, no more."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.embedded.home import Home
from config.embedded.keys import InstanceKeys

# What a process may inherit from the shell that started us. Everything else is left behind, so
# that no stray credential, DJANGO_SETTINGS_MODULE or PYTHONPATH reaches a service.
_INHERITED: Final = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "TERM"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("LD_LIBRARY_PATH", "FONTCONFIG_PATH", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE"),
    *("PYTHONUNBUFFERED", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"),
)
# How to reach keys in a token, for those who have a key at all.
TOKEN_SETTINGS: Final = ("MUNIMENT_PKCS11_MODULE", "MUNIMENT_PKCS11_PIN_FILE")
# Who says something of the log besides us, where the shell that started us names anybody.
INDEPENDENT_SETTINGS: Final = (
    *("MUNIMENT_TSA_URL", "MUNIMENT_TSA_CA_FILE"),
    "MUNIMENT_WITNESS_POLICY",
)
# Where notices are handed in as e-mail, if anywhere; the server's user and password are for the
# worker alone, which is who speaks to it.
MAIL_SETTINGS: Final = (
    *("MUNIMENT_EMAIL_HOST", "MUNIMENT_EMAIL_PORT", "MUNIMENT_EMAIL_SECURITY"),
    "MUNIMENT_EMAIL_FROM",
)
# How versions are trained again, where the shell that started us says so.
RECOMPUTE_SETTINGS: Final = (
    *("MUNIMENT_RECOMPUTE_SANDBOX", "MUNIMENT_RECOMPUTE_IMAGE", "MUNIMENT_RECOMPUTE_FIRST_USER"),
    "MUNIMENT_RECOMPUTE_INDEX_URL",
    *("MUNIMENT_RECOMPUTE_WALL_SECONDS", "MUNIMENT_RECOMPUTE_MEMORY_MB"),
    *("MUNIMENT_RECOMPUTE_WORK_MB", "MUNIMENT_RECOMPUTE_OUTPUT_MB"),
    "MUNIMENT_RECOMPUTE_CHAMPION_DAYS",
)
GOVERNED_MODELS: Final = "*"
GOVERNED_ALIASES: Final = "champion"
SOURCE: Final = "default"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are, whether ours or brought along. Empty: not part of this stack."""

    database_url: str
    migration_database_url: str
    sequencer_database_url: str
    redis_url: str
    mlflow_url: str
    web_url: str


def common_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what any process may have: no address and no secret of this instance."""
    kept = {name: inherited[name] for name in _INHERITED if name in inherited}
    beside = [entry for entry in inherited.get("NO_PROXY", "").split(",") if entry]
    return {
        **kept,
        "NO_PROXY": ",".join([*beside, "localhost", "127.0.0.1"]),
        "PYTHONUNBUFFERED": "1",  # a service that dies must have said why
    }


def governed_environment(home: Home, keys: InstanceKeys, web_url: str) -> dict[str, str]:
    """Return what Muniment's registry store inside the MLflow server reads."""
    return {
        "MUNIMENT_GATEKEEPER_SECRET": home.secret("gatekeeper"),
        "MUNIMENT_URL": web_url,
        "MUNIMENT_GRANT_PUBLIC_KEY_FILE": str(keys.grant_public),
        "MUNIMENT_SOURCE": SOURCE,
        "MUNIMENT_GOVERNED_MODELS": GOVERNED_MODELS,
        "MUNIMENT_GOVERNED_ALIASES": GOVERNED_ALIASES,
    }


def instance_environment(home: Home, keys: InstanceKeys, addresses: Addresses) -> dict[str, str]:
    """Return what `env.json` holds: enough for the web role, and for `manage.py` beside it."""
    return {
        "DATABASE_URL": addresses.database_url,
        "REDIS_URL": addresses.redis_url,
        "MLFLOW_TRACKING_URI": addresses.mlflow_url,
        "MUNIMENT_URL": addresses.web_url,
        "MUNIMENT_SOURCE": SOURCE,
        "MUNIMENT_GOVERNED_ALIASES": GOVERNED_ALIASES,
        "MUNIMENT_GOVERNED_MODELS": GOVERNED_MODELS,
        "MUNIMENT_KEYRING": str(keys.keyring),
        "MUNIMENT_PUBLISHED_CHECKPOINT": str(keys.published_checkpoint),
        "MUNIMENT_EVALUATION_SETS": str(home.path / "evaluation-sets"),
        "MUNIMENT_STATEMENT_KEY": keys.statement_uri,
        "MUNIMENT_WEBHOOK_SECRET": home.secret("mlflow-webhook"),
        "MUNIMENT_GATEKEEPER_SECRET": home.secret("gatekeeper"),
        "SECRET_KEY": home.secret("django"),
        # Its people are made with it, and a demo is no place to wait for a day.
        "MUNIMENT_SIGNING_DELAY_HOURS": os.environ.get("MUNIMENT_SIGNING_DELAY_HOURS", "0"),
        # Static files straight from the checkout: nothing to collect, nothing to go stale.
        "WHITENOISE_USE_FINDERS": "true",
        "STATIC_ROOT": str(home.static),
        **{
            name: os.environ[name]
            for name in (*INDEPENDENT_SETTINGS, *MAIL_SETTINGS, *RECOMPUTE_SETTINGS)
            if name in os.environ
        },
    }


def role_environment(
    role: str, home: Home, keys: InstanceKeys, addresses: Addresses
) -> dict[str, str]:
    """Return the whole environment of one Django process.

    MUNIMENT_HOME is not part of it: a process that is handed its share must not read `env.json`.

    Args:
        role: `web`, `worker`, `recompute`, `sequencer`, `beat` or `migrate`.
    """
    everything = instance_environment(home, keys, addresses)
    hooks = ("MUNIMENT_WEBHOOK_SECRET", "MUNIMENT_GATEKEEPER_SECRET")
    most = (*hooks, "MUNIMENT_STATEMENT_KEY")
    sets = "MUNIMENT_EVALUATION_SETS"
    withheld: dict[str, tuple[str, ...]] = {
        "web": ("MUNIMENT_PUBLISHED_CHECKPOINT", sets),
        "worker": (*hooks, sets),
        "recompute": (*hooks, "MUNIMENT_PUBLISHED_CHECKPOINT"),
        "sequencer": (*most, sets),
        "beat": (*most, "MUNIMENT_PUBLISHED_CHECKPOINT", sets),
        "migrate": (*most, "MUNIMENT_PUBLISHED_CHECKPOINT", sets),
    }
    granted: dict[str, dict[str, str]] = {
        "worker": {
            "MUNIMENT_GRANT_KEY": keys.grant_uri,
            "MUNIMENT_PDF_KEY_FILE": str(keys.pdf),
            "MUNIMENT_PDF_CERT_FILE": str(keys.pdf_certificate),
            "MUNIMENT_EMAIL_USER": os.environ.get("MUNIMENT_EMAIL_USER", ""),
            "MUNIMENT_EMAIL_PASSWORD": os.environ.get("MUNIMENT_EMAIL_PASSWORD", ""),
        },
        "recompute": {
            "MUNIMENT_RECOMPUTE_FOLDER": str(home.path / "recompute"),
            # It serves nobody: what it would sign with this is worth nothing to anybody.
            "SECRET_KEY": secrets.token_urlsafe(48),
        },
        "sequencer": {
            "MUNIMENT_LOG_KEYS": ",".join(keys.log_uris),
            "SEQUENCER_DATABASE_URL": addresses.sequencer_database_url,
        },
        "migrate": {"MIGRATION_DATABASE_URL": addresses.migration_database_url},
    }
    has_key = role in ("web", "worker", "recompute", "sequencer")
    token = {name: os.environ[name] for name in TOKEN_SETTINGS if has_key and name in os.environ}
    return {
        **common_environment(),
        **token,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **{name: value for name, value in everything.items() if name not in withheld[role]},
        **granted.get(role, {}),
    }
