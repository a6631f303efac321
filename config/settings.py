"""Settings, all from the environment (twelve-factor). There is no default secret."""

from __future__ import annotations

import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.environment import read_instance_environment
from config.mail import MailServer

BASE_DIR = Path(__file__).resolve().parent.parent

read_instance_environment(os.environ.get("MUNIMENT_HOME"))
env = environ.Env()

# Commands that never serve a request or open the database may run without an instance.
_OFFLINE_COMMANDS = {
    "makemigrations",
    "collectstatic",
    "check",
    "help",
    "spectacular",
    "audit_bias",
}
_is_offline = len(sys.argv) > 1 and sys.argv[1] in _OFFLINE_COMMANDS

SECRET_KEY = env.str("SECRET_KEY", default="offline-command-only" if _is_offline else "")
if len(SECRET_KEY) < 32 and not _is_offline:
    raise ImproperlyConfigured(
        "SECRET_KEY is missing or shorter than 32 characters. Start an instance with `make demo`, "
        "or set MUNIMENT_HOME to a running one's state folder, or set SECRET_KEY."
    )

# Keys of before: what they encrypted and signed is still read, until nothing of it is left.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = False
MUNIMENT_URL = env.str("MUNIMENT_URL", default="http://localhost:8000").rstrip("/")
_public = urlsplit(MUNIMENT_URL)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_public.hostname or "localhost"])
CSRF_TRUSTED_ORIGINS = [MUNIMENT_URL]
_is_https = _public.scheme == "https"

INSTALLED_APPS = [
    "accounts",  # before Django's, whose changepassword would tell nobody
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "health_check",
    "rest_framework",
    "config.apps.ProjectConfig",
    "audits",
    "lineage",
    "registry",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.request_log.RequestLogMiddleware",
    "config.problems.WebErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registry.web.context.page_frame",
            ],
        },
    },
]

# --- PostgreSQL: one role for serving, one for migrating, one for sequencing ------------------


def _database(url_name: str, *, role: str | None = None) -> dict[str, object]:
    config: dict[str, object] = dict(env.db_url(url_name))
    config["ENGINE"] = "config.postgresql"
    config["CONN_HEALTH_CHECKS"] = True
    config["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    # For the few statements of `audits.prepared`: what Django asks is never prepared.
    options: dict[str, object] = {"prepare_threshold": 1}
    if role:
        options["options"] = f"-c role={role}"
    config["OPTIONS"] = options
    return config


if env.str("DATABASE_URL", default=""):
    DATABASES = {"default": _database("DATABASE_URL")}
elif _is_offline:
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "offline"}}
else:
    raise ImproperlyConfigured("DATABASE_URL is missing: the runtime role's PostgreSQL URL.")
if env.str("MIGRATION_DATABASE_URL", default=""):
    DATABASES["owner"] = _database("MIGRATION_DATABASE_URL", role="muniment_owner")
if env.str("SEQUENCER_DATABASE_URL", default=""):
    DATABASES["sequencer"] = _database("SEQUENCER_DATABASE_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# So long after a role that signs, or a credential, was given to somebody they sign nothing.
SIGNING_DELAY_HOURS = env.int("MUNIMENT_SIGNING_DELAY_HOURS", default=24)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# What passkeys are enrolled for: this host, or a domain that it is in. An address of numbers is
# none: browsers refuse it.
PASSKEY_RP_ID = env.str("MUNIMENT_PASSKEY_RP_ID", default="") or (_public.hostname or "localhost")
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "registry:inventory"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Locking the pair, not the name alone, so that a stranger cannot lock a reviewer out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "config.request_log.client_address"
AXES_LOCKOUT_CALLABLE = "accounts.web.views.locked_out"

SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = _is_https
# Two instances on one host differ only by port, which cookies ignore: name them apart.
SESSION_COOKIE_NAME = f"muniment_session_{_public.port or 'web'}"
CSRF_COOKIE_NAME = f"muniment_csrf_{_public.port or 'web'}"
CSRF_COOKIE_SECURE = _is_https
CSRF_FAILURE_VIEW = "config.problems.csrf_failure"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_is_https)
# Asked by other servers inside the network, which follow no redirect.
SECURE_REDIRECT_EXEMPT = [r"^api/v1/grants/", r"^hooks/", r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],  # Tabler's stylesheet carries data: images
        "script-src": [SELF],
        "style-src": [SELF],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: [] for feature in ("camera", "geolocation", "microphone", "payment", "usb")
}

# --- Static files -----------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
WHITENOISE_USE_FINDERS = env.bool("WHITENOISE_USE_FINDERS", default=False)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if WHITENOISE_USE_FINDERS
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
DATETIME_FORMAT = "Y-m-d H:i:s \\U\\T\\C"
DATE_FORMAT = "Y-m-d"

# --- REST -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.MayRead"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Muniment",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",  # else a stranger's server is asked for it
}

# --- Celery -----------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
MIRROR_WALK_SECONDS = env.int("MUNIMENT_MIRROR_WALK_SECONDS", default=300)
# MLflow away for so long is an alarm that everybody sees.
MIRROR_ALARM_SECONDS = env.int("MUNIMENT_MIRROR_ALARM_SECONDS", default=1800)

# --- E-mail: notices, where a mail server is named ---------------------------------------------

_mail_server = MailServer(
    host=env.str("MUNIMENT_EMAIL_HOST", default=""),
    port=env.int("MUNIMENT_EMAIL_PORT", default=587),
    security=env.str("MUNIMENT_EMAIL_SECURITY", default="starttls"),
    user=env.str("MUNIMENT_EMAIL_USER", default=""),
    password=env.str("MUNIMENT_EMAIL_PASSWORD", default=""),
    # Set and empty is as good as not set: that is how Compose passes on what nobody chose.
    sender=env.str("MUNIMENT_EMAIL_FROM", default="") or f"Muniment <muniment@{_public.hostname}>",
)
EMAIL_HOST, EMAIL_PORT = _mail_server.host, _mail_server.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail_server.user, _mail_server.password
EMAIL_USE_TLS = _mail_server.security == "starttls"
EMAIL_USE_SSL = _mail_server.security == "tls"
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = _mail_server.sender

# --- MLflow -----------------------------------------------------------------------------------

MLFLOW_TRACKING_URI = env.str("MLFLOW_TRACKING_URI", default="http://localhost:5000")
# What people's browsers open; inside a cluster the two differ.
MLFLOW_PUBLIC_URL = env.str("MLFLOW_PUBLIC_URL", default=MLFLOW_TRACKING_URI).rstrip("/")
MUNIMENT_SOURCE = env.str("MUNIMENT_SOURCE", default="default")
GOVERNED_ALIASES = env.list("MUNIMENT_GOVERNED_ALIASES", default=["champion"])
GOVERNED_MODELS = env.list("MUNIMENT_GOVERNED_MODELS", default=["*"])
WEBHOOK_SECRET = env.str("MUNIMENT_WEBHOOK_SECRET", default="")
GATEKEEPER_SECRET = env.str("MUNIMENT_GATEKEEPER_SECRET", default="")

# --- Recomputation: training versions again, in a sandbox --------------------------------------

RECOMPUTE_SANDBOX = env.str("MUNIMENT_RECOMPUTE_SANDBOX", default="bubblewrap")
# What a container starts from, where the sandbox is one.
RECOMPUTE_IMAGE = env.str("MUNIMENT_RECOMPUTE_IMAGE", default="")
# A worker that is root gives each job one of a hundred users from here on.
RECOMPUTE_FIRST_USER = env.int("MUNIMENT_RECOMPUTE_FIRST_USER", default=61_000)
RECOMPUTE_FOLDER = Path(env.str("MUNIMENT_RECOMPUTE_FOLDER", default="/var/lib/muniment/recompute"))
RECOMPUTE_INDEX_URL = env.str("MUNIMENT_RECOMPUTE_INDEX_URL", default="https://pypi.org/simple")
RECOMPUTE_CONCURRENCY = env.int("MUNIMENT_RECOMPUTE_CONCURRENCY", default=1)
# Of one training, with all the processes that it starts.
RECOMPUTE_WALL_SECONDS = env.int("MUNIMENT_RECOMPUTE_WALL_SECONDS", default=3600)
RECOMPUTE_MEMORY_MB = env.int("MUNIMENT_RECOMPUTE_MEMORY_MB", default=4096)
RECOMPUTE_WORK_MB = env.int("MUNIMENT_RECOMPUTE_WORK_MB", default=16_384)
RECOMPUTE_OUTPUT_MB = env.int("MUNIMENT_RECOMPUTE_OUTPUT_MB", default=64)
RECOMPUTE_CHAMPION_DAYS = env.int("MUNIMENT_RECOMPUTE_CHAMPION_DAYS", default=30)

# --- Evaluation sets: read by the worker that recomputes, and by nobody else --------------------

EVALUATION_SETS = Path(
    env.str("MUNIMENT_EVALUATION_SETS", default="/var/lib/muniment/evaluation-sets")
)
# Advisories in the OSV format, a ZIP or a JSON list, on the recomputing worker; empty for none.
VULNERABILITY_DATABASE = env.str("MUNIMENT_VULNERABILITY_DATABASE", default="")

# --- Keys: every process is given only those that its role needs -------------------------------

KEYRING_FILE = env.str("MUNIMENT_KEYRING", default="")
STATEMENT_KEY_URI = env.str("MUNIMENT_STATEMENT_KEY", default="")
# More than one while a new log key takes over: every checkpoint is signed by all of them.
LOG_KEY_URIS = env.list("MUNIMENT_LOG_KEYS", default=[])
# The newest checkpoint that the log signed, kept outside the database: what is restored from a
# backup cannot take it back.
PUBLISHED_CHECKPOINT_FILE = env.str("MUNIMENT_PUBLISHED_CHECKPOINT", default="")
GRANT_KEY_URI = env.str("MUNIMENT_GRANT_KEY", default="")
PDF_KEY_FILE = env.str("MUNIMENT_PDF_KEY_FILE", default="")
PDF_CERT_FILE = env.str("MUNIMENT_PDF_CERT_FILE", default="")
GRANT_TTL_SECONDS = 60

# --- The log ------------------------------------------------------------------------------------

# Tiles of hashes, proofs and checkpoints are for anybody; what was said only where this allows it.
LOG_ENTRIES_ARE_PUBLIC = env.bool("MUNIMENT_LOG_ENTRIES_PUBLIC", default=False)
TSA_URL = env.str("MUNIMENT_TSA_URL", default="")
TSA_CA_FILE = env.str("MUNIMENT_TSA_CA_FILE", default="")
WITNESS_POLICY_FILE = env.str("MUNIMENT_WITNESS_POLICY", default="")
REPORT_WAIT_SECONDS = 25

# --- Logs: structured, on stderr, so that stdout stays for results ------------------------------

# A request is one line, when it is answered; the web server's own line has the user agent.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(),
            "foreign_pre_chain": [
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "fido2": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
        "weasyprint": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
    },
}
