from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """Moves messages; knows no business."""

    name = "apps.messaging"
    label = "messaging"
