"""A bounded context: one Django app, one database, one consumer."""

from argparse import ArgumentTypeError
from dataclasses import dataclass

from django.apps import AppConfig, apps
from django.conf import settings

from apps.messaging.database import Database


@dataclass(frozen=True, slots=True)
class Job:
    """What workers do again and again: a function without arguments, named so that who only wakes
    it imports nothing of it."""

    name: str
    run: str  # dotted name
    every: int  # seconds


class ContextConfig(AppConfig):
    """The app of a context. Its label is its database's alias and the name in its topics.

    Its module `handlers` declares, each of them optional,
    COMMANDS: {command or compensation: Handler}, REACTIONS: {event: Reaction},
    LISTENERS: {event: Listener}.
    """

    jobs: tuple[Job, ...] = ()  # beside its outside calls, see jobs.py
    operations: tuple[str, ...] = ()  # in its audit, beside those on parked messages

    @property
    def database(self) -> Database:
        return Database(self.label)

    def lacks(self, database: Database) -> str:
        """What its rows need that this code has not, in words for who deploys; empty: nothing.
        Consumer and watchdog do not start then, and the readiness check tells it."""
        return ""


def context(label: str) -> ContextConfig:
    """The installed context of that name. Raises LookupError naming those that are."""
    found = {each.label: each for each in contexts()}
    if label not in found:
        raise LookupError(
            f"No context {label!r} is installed here (SAGA_CONTEXTS); there are: {', '.join(found)}"
        )
    return found[label]


def context_name(text: str) -> str:
    """An argparse type: the label of an installed context."""
    try:
        return context(text).label
    except LookupError as error:
        raise ArgumentTypeError(error.args[0]) from error


def contexts() -> list[ContextConfig]:
    """All contexts that are installed."""
    return [each for each in apps.get_app_configs() if isinstance(each, ContextConfig)]


def contexts_with_intents() -> list[str]:
    """The contexts that make calls to the outside world: those with a table for them."""
    return [each.label for each in contexts() if "intent" in each.models]


def own_contexts() -> list[ContextConfig]:
    """Those whose database this process is given."""
    configured = configured_databases()
    return [each for each in contexts() if each.label in configured]


def variable_of(alias: str) -> str:
    """The setting that has a database's address."""
    owner = "OWNER_" if settings.DATABASE_ROLE == "owner" else ""
    return f"DATABASE_{owner}URL_{alias.upper()}"


def configured_databases() -> list[str]:
    """The aliases that have an address."""
    return [
        alias
        for alias, database in settings.DATABASES.items()
        if database.get("ENGINE", "") not in ("", "django.db.backends.dummy")
    ]
