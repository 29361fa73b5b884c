"""The environment through which the platform learns of its servers: names, addresses, files."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from apps.contracts.topics import CONTEXTS
from sagaplatform.stack.errors import MissingUrls
from sagaplatform.stack.files import read_json, write_private
from sagaplatform.stack.ports import LOOPBACK

ALIASES = ("default", *CONTEXTS)
KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
COPIES = {"KAFKA_REPLICATION": "3", "KAFKA_MIN_INSYNC": "2"}
RUN_TIME, OWNER = "DATABASE_URL_", "DATABASE_OWNER_URL_"


def database(alias: str, *, test: bool = False) -> str:
    return f"test_saga_{alias}" if test else f"saga_{alias}"


def owner_role(alias: str) -> str:
    return f"{alias}_owner"


def run_time_role(alias: str) -> str:
    return f"{alias}_app"


@dataclass(frozen=True)
class Secrets:
    """Random passwords, made once; `instance` ties data outside the home to this file."""

    instance: str
    secret_key: str
    superuser: str
    webhooks: str  # what the stand-ins sign with
    roles: dict[str, str]

    @classmethod
    def load(cls, file: Path) -> Self:
        """What the file holds; what it does not hold yet is made up and kept."""
        kept = read_json(file)
        roles = kept.get("roles", {})
        for alias in ALIASES:
            for role in (owner_role(alias), run_time_role(alias)):
                roles.setdefault(role, secrets.token_urlsafe(24))
        made = {
            "instance": kept.get("instance") or secrets.token_hex(8),
            "secret_key": kept.get("secret_key") or secrets.token_urlsafe(48),
            "superuser": kept.get("superuser") or secrets.token_urlsafe(24),
            "webhooks": kept.get("webhooks") or secrets.token_hex(24),
            "roles": roles,
        }
        write_private(file, json.dumps(made, indent=1))
        return cls(**made)


def url(role: str, password: str, port: int, name: str) -> str:
    return f"postgresql://{quote(role)}:{quote(password, safe='')}@{LOOPBACK}:{port}/{name}"


def run_time_urls(kept: Secrets, port: int, *, test: bool = False) -> dict[str, str]:
    """DATABASE_URL_<ALIAS> of the local databases."""
    return {
        f"{RUN_TIME}{alias.upper()}": url(
            run_time_role(alias), kept.roles[run_time_role(alias)], port, database(alias, test=test)
        )
        for alias in ALIASES
    }


def owner_urls(kept: Secrets, port: int, *, test: bool = False) -> dict[str, str]:
    """DATABASE_OWNER_URL_<ALIAS> of the local databases."""
    return {
        f"{OWNER}{alias.upper()}": url(
            owner_role(alias), kept.roles[owner_role(alias)], port, database(alias, test=test)
        )
        for alias in ALIASES
    }


def basics(kept: Secrets, web_port: int, environ: Mapping[str, str]) -> dict[str, str]:
    """What is no server's address; the real environment has the last word."""
    defaults = {
        "SECRET_KEY": kept.secret_key,
        "DEBUG": "1",
        "HTTPS": "0",
        "ADMIN_SECOND_FACTOR": "offered",
        "ALLOWED_HOSTS": f"localhost,{LOOPBACK}",
        "KAFKA_TOPIC_PREFIX": "",
    }
    given = {name: environ[name] for name in defaults if name in environ}
    return {**defaults, **given, "WEB_PORT": str(web_port)}


def copies(brokers: int, environ: Mapping[str, str]) -> dict[str, str]:
    """How often three local brokers keep each message, unless the real environment says."""
    if brokers < 3:
        return {}
    return {name: environ.get(name, value) for name, value in COPIES.items()}


@dataclass(frozen=True)
class Given:
    """Servers that the real environment names; they are used, and no local one is started."""

    databases: dict[str, str]
    owners: dict[str, str]
    kafka: str

    @classmethod
    def of(cls, environ: Mapping[str, str], own: Path) -> Self:
        """Read them. The stack's own addresses (from a shell that loaded app.env, or a command
        inside `run`) are no strangers' servers and do not count."""
        ours = read_json(own)
        databases = _urls(environ, RUN_TIME)
        if databases and _is_ours(databases, ours):
            databases = {}
        kafka = environ.get(KAFKA, "")
        if kafka == ours.get("kafka"):
            kafka = ""
        return cls(databases, _urls(environ, OWNER) if databases else {}, kafka)

    def require_complete(self) -> None:
        """Raise MissingUrls unless each database has both of its addresses, or none is given."""
        wanted = [f"{prefix}{alias.upper()}" for prefix in (RUN_TIME, OWNER) for alias in ALIASES]
        missing = [name for name in wanted if name not in self.databases | self.owners]
        if self.databases and missing:
            raise MissingUrls(missing=", ".join(missing))


def remember_own(file: Path, kept: Secrets, postgres_port: int, kafka: str) -> None:
    """Note which addresses are the stack's own, for `Given.of`."""
    note = {"instance": kept.instance, "postgres": f"{LOOPBACK}:{postgres_port}", "kafka": kafka}
    write_private(file, json.dumps(note))


def write_env(file: Path, values: Mapping[str, str]) -> None:
    write_private(file, "".join(f"{name}={value}\n" for name, value in values.items()))


def read_env(file: Path) -> dict[str, str]:
    lines = (line for line in file.read_text().splitlines() if "=" in line)
    return dict(line.split("=", 1) for line in lines)


def without_servers(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment less every database address, so that none is handed on by accident."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith((RUN_TIME, OWNER)) and name != "DATABASE_ROLE"
    }


def _urls(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    names = [f"{prefix}{alias.upper()}" for alias in ALIASES]
    return {name: environ[name] for name in names if environ.get(name)}


def _is_ours(urls: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    places = {urlsplit(address).netloc.rpartition("@")[2] for address in urls.values()}
    return places == {ours.get("postgres")}
