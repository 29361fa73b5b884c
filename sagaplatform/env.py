"""Every setting that the environment gives: name, type, default, meaning. Nothing else reads it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from environs import Env

CONTEXTS = ("orders", "inventory", "pricing", "payments", "shipping", "notifications", "sagas")
ALIASES = ("default", *CONTEXTS)
LOCAL_ENVIRONMENT = Path(__file__).parent.parent / ".local" / "app.env"


@dataclass(frozen=True)
class Setting:
    """One environment variable."""

    name: str
    kind: str  # the reader of environs: str, bool, int, list
    default: object  # None: it must be given
    meaning: str


SETTINGS = (
    Setting("SECRET_KEY", "str", None, "signs sessions and tokens; at least 50 random characters"),
    Setting("DEBUG", "bool", False, "1 only on a developer's machine"),
    Setting("ALLOWED_HOSTS", "list", [], "host names that we answer to, comma-separated"),
    Setting("CSRF_TRUSTED_ORIGINS", "list", [], "origins that may post forms, https://shop.example"),
    Setting("HTTPS", "bool", True, "0 only without TLS in front: cookies and redirects rely on it"),
    Setting("ADMIN_SECOND_FACTOR", "str", "required", "of staff: required, or only offered"),
    Setting("ADMIN_SESSION_HOURS", "int", 8, "after which staff log in again: one shift"),
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
    Setting("KAFKA_PARTITIONS", "int", 6, "of each topic that create_topics creates"),
    Setting("KAFKA_REPLICATION", "int", 1, "copies of each partition; 3 in production"),
    Setting("KAFKA_MIN_INSYNC", "int", 1, "copies that must have a message; 2 in production"),
    Setting("CELERY_BROKER_URL", "str", "", "of another broker than Kafka: redis://…, amqp://…"),
    Setting("CELERY_CONCURRENCY", "int", 4, "outside calls that one worker makes at a time"),
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
    Setting("CARD_GATEWAY", "str", "", "dotted name of the class that takes cards; empty: none"),
    Setting("HAND_OVER_AFTER", "int", 0, "seconds from the confirmation until the carrier comes"),
    Setting("APPROVAL_LIMIT_CENTS", "int", 50000, "given back by one person; more needs another's"),
    Setting("LOG_LEVEL", "str", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    Setting("LOG_FORMAT", "str", "json", "json, or text for people"),
    Setting("METRICS_TOKEN", "str", "", "a scrape of /metrics sends it; empty: this machine only"),
    Setting("METRICS_PORT", "int", 0, "of a process without web pages, for its metrics; 0: none"),
    Setting("PROMETHEUS_MULTIPROC_DIR", "str", "", "folder where one machine's processes add up"),
)  # fmt: skip


def read(env: Env | None = None) -> dict[str, Any]:
    """All settings from the environment. Raises environs.EnvError naming what is wrong."""
    source = env or Env()
    return {each.name: _read_one(source, each) for each in SETTINGS}


def _read_one(env: Env, setting: Setting) -> Any:
    reader = getattr(env, setting.kind)
    return (
        reader(setting.name) if setting.default is None else reader(setting.name, setting.default)
    )


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
    """Take what is not in the environment from the local stack's file, if there is one."""
    if LOCAL_ENVIRONMENT.exists():
        load_dotenv(LOCAL_ENVIRONMENT, override=False)
