"""Django's settings. What differs between deployments comes from the table in env.py."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sagaplatform import content_policy, env, navigation, trace_settings

BASE_DIR = Path(__file__).parent.parent
ENV = env.read()
env.share_metrics(ENV["PROMETHEUS_MULTIPROC_DIR"])

# What runs in this deployment: everything below that speaks of contexts follows from it.
CONTEXTS = env.chosen(ENV["SAGA_CONTEXTS"])
IS_NAMED = bool("".join(ENV["SAGA_CONTEXTS"]).strip())
IS_WHOLE = CONTEXTS == env.CONTEXTS

SECRET_KEY = ENV["SECRET_KEY"]
DEBUG = ENV["DEBUG"]
ALLOWED_HOSTS = ENV["ALLOWED_HOSTS"]
CSRF_TRUSTED_ORIGINS = ENV["CSRF_TRUSTED_ORIGINS"]
ROOT_URLCONF = "sagaplatform.urls"
WSGI_APPLICATION = "sagaplatform.wsgi.application"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # without a site of its own: ours is named in apps.py
    "sagaplatform.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "sagaplatform.apps.FlagsConfig",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "django_celery_beat",
    "django_prometheus",
    "sagaplatform",
    "apps.messaging",
    *(f"apps.{name}" for name in CONTEXTS),
    *(("apps.ops", "sagaplatform.shop") if IS_WHOLE else ()),  # they need all contexts
]

MIDDLEWARE = [
    "sagaplatform.request_id.RequestIdMiddleware",
    "sagaplatform.metrics.BeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "sagaplatform.content_policy.ContentPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # answers in place of a view that found somebody locked out
    "sagaplatform.metrics.AfterMiddleware",
]

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
            ],
        },
    },
]

# --- databases: one per context, and `default` for users, flags and sessions

DATABASE_ROLE = ENV["DATABASE_ROLE"]


def database(alias: str) -> dict[str, object]:
    """One database from its URL; Django's dummy backend where none is configured."""
    name = "DATABASE_OWNER_URL" if DATABASE_ROLE == "owner" else "DATABASE_URL"
    url = urlsplit(str(ENV[f"{name}_{alias.upper()}"]))
    if not url.scheme:
        return {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "application_name": "sagaplatform",
            "connect_timeout": 5,
            # The same few statements all day: planned once. (A pooler between us and PostgreSQL
            # must keep a session's prepared statements, as PgBouncer does from 1.21.)
            "prepare_threshold": 5,
        },
    }


DATABASE_ROLE = ENV["DATABASE_ROLE"]
DATABASES = {alias: database(alias) for alias in ("default", *CONTEXTS)}
# Contexts that were named do without `default`, and so without users: no admin, no API.
WITH_USERS = bool(DATABASES["default"]) or not IS_NAMED
NEEDED_DATABASES = (*(("default",) if WITH_USERS else ()), *CONTEXTS)
DATABASE_ROUTERS = ["sagaplatform.router.ContextRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The run-time role of each database, from which migrations take rights away (append-only tables).
RUNTIME_ROLES = {
    alias: unquote(urlsplit(str(ENV[f"DATABASE_URL_{alias.upper()}"])).username or "")
    for alias in DATABASES
}

# --- Kafka

KAFKA: dict[str, Any] = {
    "bootstrap.servers": ENV["KAFKA_BOOTSTRAP_SERVERS"],
    "security.protocol": ENV["KAFKA_SECURITY_PROTOCOL"],
}
if ENV["KAFKA_SASL_USERNAME"]:
    KAFKA |= {
        "sasl.mechanism": ENV["KAFKA_SASL_MECHANISM"],
        "sasl.username": ENV["KAFKA_SASL_USERNAME"],
        "sasl.password": ENV["KAFKA_SASL_PASSWORD"],
    }
KAFKA_TOPIC_PREFIX = ENV["KAFKA_TOPIC_PREFIX"]
KAFKA_PARTITIONS = ENV["KAFKA_PARTITIONS"]
KAFKA_REPLICATION = ENV["KAFKA_REPLICATION"]
KAFKA_MIN_INSYNC = ENV["KAFKA_MIN_INSYNC"]
KAFKA_TRANSACTIONS = ENV["KAFKA_TRANSACTIONS"]

# --- Celery, see celery.py

CELERY_BROKER_URL = ENV["CELERY_BROKER_URL"]

# --- flags: switches, read once before an order's transaction; a flip is seen within two seconds

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "flags": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "flags",
        "TIMEOUT": 2,
    },
}
WAFFLE_CACHE_NAME = "flags"
WAFFLE_CREATE_MISSING_SWITCHES = False

# --- the watchdog's brake

WATCHDOG_LATE_SHARE = ENV["WATCHDOG_LATE_SHARE"]
WATCHDOG_FEWEST_LATE = ENV["WATCHDOG_FEWEST_LATE"]

# --- alerts

ALERT_MAIL_TO = ENV["ALERT_MAIL_TO"]
ALERT_MAIL_FROM = ENV["ALERT_MAIL_FROM"]
ALERT_WEBHOOK_URL = ENV["ALERT_WEBHOOK_URL"]
EMAIL_HOST = ENV["EMAIL_HOST"]
EMAIL_PORT = ENV["EMAIL_PORT"]
EMAIL_HOST_USER = ENV["EMAIL_USER"]
EMAIL_HOST_PASSWORD = ENV["EMAIL_PASSWORD"]
EMAIL_USE_TLS = ENV["EMAIL_TLS"]
EMAIL_TIMEOUT = 10

# --- customers' messages

EMAIL_FROM = ENV["EMAIL_FROM"]
ORDER_URL = ENV["ORDER_URL"]
NOTIFY_WEBHOOK_SECRET = ENV["NOTIFY_WEBHOOK_SECRET"]
MAIL_WEBHOOK_SECRET = ENV["MAIL_WEBHOOK_SECRET"]

# --- payments

CARD_GATEWAY = ENV["CARD_GATEWAY"]
STRIPE_API_KEY = ENV["STRIPE_API_KEY"]
STRIPE_API_BASE = ENV["STRIPE_API_BASE"]
STRIPE_WEBHOOK_SECRET = ENV["STRIPE_WEBHOOK_SECRET"]
CARD_ANOTHER_WITHIN = ENV["CARD_ANOTHER_WITHIN"]
CARD_RETURN_URL = ENV["CARD_RETURN_URL"]
HOLD_WARNING_HOURS = ENV["HOLD_WARNING_HOURS"]

# --- how much of us each provider bears, see apps/messaging/providers.py

PROVIDERS = {
    name: {
        "at_once": ENV[f"{name.upper()}_CONCURRENCY"],
        "per_second": ENV[f"{name.upper()}_PER_SECOND"],
        "failures": ENV[f"{name.upper()}_FAILURES"],
        "rest": ENV[f"{name.upper()}_REST"],
    }
    for name in env.PROVIDERS
}

# --- four eyes: a move that gives back more than this is approved by another person

APPROVAL_LIMIT_CENTS = ENV["APPROVAL_LIMIT_CENTS"]

# --- shipping

CARRIER_URL = ENV["CARRIER_URL"]
CARRIER_NAME = ENV["CARRIER_NAME"]
CARRIER_API_KEY = ENV["CARRIER_API_KEY"]
CARRIER_WEBHOOK_SECRET = ENV["CARRIER_WEBHOOK_SECRET"]

# Seconds from an order's confirmation until the carrier comes: so long it can be recalled.
HAND_OVER_AFTER = ENV["HAND_OVER_AFTER"]
# Days from the hand-over in which goods can be returned, and from then until they have arrived.
RETURN_WITHIN_DAYS = ENV["RETURN_WITHIN_DAYS"]
RETURN_ARRIVES_WITHIN_DAYS = ENV["RETURN_ARRIVES_WITHIN_DAYS"]

# --- the API

ORDERS_PER_MINUTE = ENV["ORDERS_PER_MINUTE"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sagaplatform.tokens.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["sagaplatform.parsers.JSONParser"],
    "DEFAULT_THROTTLE_RATES": {"login": "10/min"},
    "EXCEPTION_HANDLER": "sagaplatform.problems.problem_response",
    "NUM_PROXIES": 0,  # who attempts to log in is read off the connection, not off a header
}

# --- pages and files

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".local" / "static"
WHITENOISE_USE_FINDERS = DEBUG

UNFOLD = {
    "SITE_TITLE": "Sagaplatform",
    "SITE_HEADER": "Sagaplatform",
    "SITE_SUBHEADER": "Every order confirmed or undone",
    "SITE_SYMBOL": "conversion_path",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": navigation.icon}],
    "SITE_URL": None,  # the shop's pages are its API
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "ENVIRONMENT": "sagaplatform.navigation.environment",
    "DASHBOARD_CALLBACK": "apps.ops.home.home" if IS_WHOLE else None,
    "STYLES": [navigation.theme_style, navigation.desk_style],
    "SCRIPTS": [navigation.times_script, navigation.focus_script, navigation.renewal_script],
    "ACCOUNT": {"navigation": navigation.ACCOUNT},
    "SIDEBAR": {
        "show_search": True,
        "navigation": navigation.resolved(navigation.sidebar(CONTEXTS)),
    },
    "TABS": navigation.resolved(navigation.tabs(CONTEXTS)),
}

# --- security

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Who may log in, and how often somebody may be wrong; see lock_out.py and second_factor/.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
ADMIN_SECOND_FACTOR = ENV["ADMIN_SECOND_FACTOR"]
OTP_TOTP_ISSUER = "Sagaplatform"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "sagaplatform.lock_out.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the time that the page tells is kept
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]  # of a form that failed
AXES_DISABLE_ACCESS_LOG = True  # our own log and audit tell who was here
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
SESSION_COOKIE_AGE = ENV["ADMIN_SESSION_HOURS"] * 3600  # only the admin has sessions
SESSION_EXPIRE_AT_BROWSER_CLOSE = True

SECURE_SSL_REDIRECT = ENV["HTTPS"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV["HTTPS"] else None
# Asked by this machine and the private network, past the proxy that speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if ENV["HTTPS"] else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = bool(ENV["HTTPS"])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(ENV["HTTPS"])
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": content_policy.DIRECTIVES}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

LOGGING_CONFIG = "sagaplatform.logs.configure"
LOGGING = {"level": ENV["LOG_LEVEL"], "format": ENV["LOG_FORMAT"]}

# --- metrics

METRICS_TOKEN = ENV["METRICS_TOKEN"]
METRICS_PORT = ENV["METRICS_PORT"]
PROMETHEUS_MULTIPROC_DIR = ENV["PROMETHEUS_MULTIPROC_DIR"]
PROMETHEUS_LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

# --- traces, see tracing.py

trace_settings.check(ENV)
OTLP_ENDPOINT = ENV["OTLP_ENDPOINT"]
OTLP_HEADERS = ENV["OTLP_HEADERS"]
TRACE_SHARE = ENV["TRACE_SHARE"]
TRACE_URL = ENV["TRACE_URL"]
