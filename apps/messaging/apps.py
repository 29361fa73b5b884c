from django.apps import AppConfig
from django.core.checks import register


class MessagingConfig(AppConfig):
    """Moves messages; knows no business."""

    name = "apps.messaging"
    label = "messaging"

    def ready(self) -> None:
        from apps.messaging.checks import callers_are_equipped  # noqa: PLC0415  needs the models

        register(callers_are_equipped)
