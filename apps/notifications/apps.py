from apps.messaging.context import ContextConfig


class NotificationsConfig(ContextConfig):
    name = "apps.notifications"
    label = "notifications"
    default = True  # Django sees the imported base beside it and would take neither
