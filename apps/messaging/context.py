"""A bounded context: one Django app, one database, one consumer."""

from django.apps import AppConfig, apps

from apps.messaging.database import Database


class ContextConfig(AppConfig):
    """The app of a context. Its label is its database's alias and the name in its topics.

    Its module `handlers` declares, each of them optional,
    COMMANDS: {command or compensation: Handler}, REACTIONS: {event: Reaction},
    LISTENERS: {event: Listener}.
    """

    @property
    def database(self) -> Database:
        return Database(self.label)


def context(label: str) -> ContextConfig:
    """The installed context of that name. Raises LookupError naming those that are."""
    found = {each.label: each for each in contexts()}
    if label not in found:
        raise LookupError(f"No context {label!r} is installed here; there are: {', '.join(found)}.")
    return found[label]


def contexts_with_intents() -> list[str]:
    """The labels of those that make outside calls: they have a model named Intent."""
    return [each.label for each in contexts() if "intent" in each.models]


def contexts() -> list[ContextConfig]:
    """All contexts that are installed."""
    return [each for each in apps.get_app_configs() if isinstance(each, ContextConfig)]
