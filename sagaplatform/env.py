"""Every setting that the environment gives: name, type, default, meaning. Nothing else reads it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from environs import Env, EnvError

from apps.contracts.topics import CONTEXTS

ALIASES = ("default", *CONTEXTS)
LOCAL_ENVIRONMENT = Path(__file__).parent.parent / ".local" / "app.env"


@dataclass(frozen=True)
class Setting:
    """One environment variable."""

    name: str
    kind: str  # the reader of environs: str, bool, int, list
    default: object  # None: it must be given
    meaning: str


# Whom workers call, with what it bears: calls at a time, calls a second (0: any number).
PROVIDERS = {
    "stripe": (16, 25.0),  # its sandbox takes 25 a second, a live account 100
    "carrier": (8, 0.0),
}


def provider(name: str, at_once: int, per_second: float) -> tuple[Setting, ...]:
    """The settings that each provider has, see apps/messaging/providers.py."""
    before, calls = name.upper(), f"calls to {name}"
    return (
        Setting(f"{before}_CONCURRENCY", "int", at_once, f"{calls} that a worker makes at a time"),
        Setting(f"{before}_PER_SECOND", "float", per_second, f"{calls} that it begins; 0: any"),
        Setting(f"{before}_FAILURES", "int", 5, f"{calls}, in a row, then none; 0: always some"),
        Setting(f"{before}_REST", "float", 30.0, "seconds of that; then one call finds out"),
    )


SETTINGS = (
    Setting("SECRET_KEY", "str", None, "signs sessions and tokens; at least 50 random characters"),
    Setting("DEBUG", "bool", False, "1 only on a developer's machine"),
    Setting("ALLOWED_HOSTS", "list", [], "host names that we answer to, comma-separated"),
    Setting("CSRF_TRUSTED_ORIGINS", "list", [], "origins that may post forms, https://shop.example"),
    Setting("HTTPS", "bool", True, "0 only without TLS in front: cookies and redirects rely on it"),
    Setting("ADMIN_SECOND_FACTOR", "str", "required", "of staff: required, or only offered"),
    Setting("ADMIN_SESSION_HOURS", "int", 8, "after which staff log in again: one shift"),
    Setting("SAGA_CONTEXTS", "list", [], "contexts that run here, comma-separated; empty: all"),
    Setting("DATABASE_ROLE", "str", "app", "app: the run-time role; owner: for migrations"),
    *(
        Setting(f"DATABASE_URL_{alias.upper()}", "str", "", f"database of {alias}, run-time role")
        for alias in ALIASES
    ),
    *(
        Setting(f"DATABASE_OWNER_URL_{alias.upper()}", "str", "", f"{alias}'s database, owner role")
        for alias in ALIASES
    ),
    Setting("KAFKA_BOOTSTRAP_SERVERS", "str", "", "host:port,host:port"),
    Setting("KAFKA_SECURITY_PROTOCOL", "str", "PLAINTEXT", "SASL_SSL in production"),
    Setting("KAFKA_SASL_MECHANISM", "str", "SCRAM-SHA-512", "with SASL_SSL"),
    Setting("KAFKA_SASL_USERNAME", "str", "", "with SASL_SSL"),
    Setting("KAFKA_SASL_PASSWORD", "str", "", "with SASL_SSL"),
    Setting("KAFKA_TOPIC_PREFIX", "str", "", "before every topic and group, on a shared cluster"),
    Setting("KAFKA_PARTITIONS", "int", 2, "of each topic, at least; see create_topics"),
    Setting("KAFKA_REPLICATION", "int", 1, "copies of each partition; 3 in production"),
    Setting("KAFKA_MIN_INSYNC", "int", 1, "copies that must have a message; 2 in production"),
    Setting("KAFKA_TRANSACTIONS", "bool", False, "1: what is sent together is committed together"),
    Setting("CELERY_BROKER_URL", "str", "", "of another broker than Kafka: redis://…, amqp://…"),
    Setting("WATCHDOG_LATE_SHARE", "float", 0.25, "of live sagas; more late: none turns back"),
    Setting("WATCHDOG_FEWEST_LATE", "int", 20, "fewer late sagas than this are always turned back"),
    Setting("ALERT_MAIL_TO", "list", [], "who gets alerts by mail, comma-separated; empty: nobody"),
    Setting("ALERT_MAIL_FROM", "str", "sagaplatform@localhost", "as whom"),
    Setting("ALERT_WEBHOOK_URL", "str", "", "where alerts are posted as JSON; empty: nowhere"),
    Setting("EMAIL_HOST", "str", "localhost", "the SMTP server"),
    Setting("EMAIL_PORT", "int", 25, "its port"),
    Setting("EMAIL_USER", "str", "", "with a password, if the server wants one"),
    Setting("EMAIL_PASSWORD", "str", "", "with a user"),
    Setting("EMAIL_TLS", "bool", False, "1: STARTTLS"),
    Setting("EMAIL_FROM", "str", "Sagaplatform <shop@localhost>", "as whom customers get mail"),
    Setting("ORDER_URL", "str", "", "a customer's page, https://shop.example/orders/{order_id}"),
    Setting("NOTIFY_WEBHOOK_SECRET", "str", "", "signs pushes to customers; empty: no pushes"),
    Setting("MAIL_WEBHOOK_SECRET", "str", "", "signs what the mail provider tells of bounces"),
    Setting("CARD_GATEWAY", "str", "", "dotted name of the class that takes cards; empty: none"),
    Setting("STRIPE_API_KEY", "str", "", "Stripe's secret key; empty: no call leaves the machine"),
    Setting("STRIPE_API_BASE", "str", "", "of a stand-in for Stripe; empty: Stripe itself"),
    Setting("STRIPE_WEBHOOK_SECRET", "str", "", "whsec_…, which signs what Stripe tells us"),
    *(each for name, bears in PROVIDERS.items() for each in provider(name, *bears)),
    Setting("CARD_ANOTHER_WITHIN", "int", 900, "seconds a declined customer has for another card"),
    Setting("CARD_RETURN_URL", "str", "", "page a bank sends customers back to; empty: Stripe.js"),
    Setting("HOLD_WARNING_HOURS", "int", 24, "before a card's hold ends, a person is told"),
    Setting("CARRIER_URL", "str", "", "of a carrier's API, which takes parcels; empty: in-house"),
    Setting("CARRIER_NAME", "str", "carrier", "what customers are told that it is called"),
    Setting("CARRIER_API_KEY", "str", "", "by which the carrier knows us"),
    Setting("CARRIER_WEBHOOK_SECRET", "str", "", "signs what the carrier tells us; empty: nothing"),
    Setting("HAND_OVER_AFTER", "int", 0, "seconds from the confirmation until the carrier comes"),
    Setting("RETURN_WITHIN_DAYS", "int", 30, "from the hand-over: so long goods can be returned"),
    Setting("RETURN_ARRIVES_WITHIN_DAYS", "int", 14, "until they must have arrived; at most 50"),
    Setting("ORDERS_PER_MINUTE", "int", 60, "of one customer, by the API; 0: any number"),
    Setting("APPROVAL_LIMIT_CENTS", "int", 50000, "given back by one person; more needs another's"),
    Setting("LOG_LEVEL", "str", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    Setting("LOG_FORMAT", "str", "json", "json, or text for people"),
    Setting("METRICS_TOKEN", "str", "", "a scrape of /metrics sends it; empty: this machine only"),
    Setting("METRICS_PORT", "int", 0, "of a process without web pages, for its metrics; 0: none"),
    Setting("OTLP_ENDPOINT", "str", "", "where traces go: http://collector:4318; empty: nowhere"),
    Setting("OTLP_HEADERS", "str", "", "sent with them, a secret: name=value,name=value"),
    Setting("TRACE_SHARE", "float", 1.0, "of new traces that are told, from 0 to 1"),
    Setting("TRACE_URL", "str", "", "a trace's page, https://jaeger.example/trace/{trace_id}"),
    Setting("PROMETHEUS_MULTIPROC_DIR", "str", "", "folder where one machine's processes add up"),
)  # fmt: skip


def read(env: Env | None = None) -> dict[str, Any]:
    """All settings from the environment. Raises environs.EnvError naming what is wrong."""
    source = env or Env()
    return {each.name: _read_one(source, each) for each in SETTINGS}


def _read_one(env: Env, setting: Setting) -> Any:
    reader = getattr(env, setting.kind)
    value = (
        reader(setting.name) if setting.default is None else reader(setting.name, setting.default)
    )
    if setting.kind in ("int", "float") and value < 0:
        raise EnvError(f"{setting.name} is {value}; give a number from 0 up")
    return value


def chosen(named: Sequence[str]) -> tuple[str, ...]:
    """The contexts of SAGA_CONTEXTS in the platform's order; where it names none, all.

    Raises EnvError for what is no context.
    """
    names = {each.strip() for each in named} - {""}
    if unknown := sorted(names - set(CONTEXTS)):
        raise EnvError(
            f"SAGA_CONTEXTS names {', '.join(unknown)}; the contexts are {', '.join(CONTEXTS)}"
        )
    return tuple(each for each in CONTEXTS if each in names) or CONTEXTS


def share_metrics(folder: str) -> None:
    """Make the folder in which processes add up their metrics.

    prometheus_client reads PROMETHEUS_MULTIPROC_DIR itself, when it is imported (settings come
    before), and takes an empty name for the working directory: it is taken away then.
    """
    if folder:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


def load_local_environment() -> None:
    """Take what is not in the environment from the local stack's file, if there is one.

    Of the databases only those of the contexts that SAGA_CONTEXTS names, where it names some: what
    runs alone here has no address that it would not have elsewhere.
    """
    if LOCAL_ENVIRONMENT.exists():
        named = os.environ.get("SAGA_CONTEXTS", "")
        for name, value in dotenv_values(LOCAL_ENVIRONMENT).items():
            if value is not None and not (named and _is_of_others(name, named.split(","))):
                os.environ.setdefault(name, value)


def _is_of_others(variable: str, contexts: Sequence[str]) -> bool:
    """Whether a variable is the address of a database of none of these contexts."""
    address = variable.startswith(("DATABASE_URL_", "DATABASE_OWNER_URL_"))
    return address and not variable.endswith(tuple(f"_{each.strip().upper()}" for each in contexts))
