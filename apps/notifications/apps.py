from apps.messaging.context import ContextConfig


class NotificationsConfig(ContextConfig):
    name = "apps.notifications"
    label = "notifications"
