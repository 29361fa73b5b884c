from apps.messaging.context import ContextConfig


class NotificationsConfig(ContextConfig):
    name = "apps.notifications"
    label = "notifications"
    default = True  # Django sees the imported base beside it and would take neither

    def work_beside(self) -> None:
        """Send what is queued for customers."""
        from apps.notifications.post import deliver_due  # noqa: PLC0415  it needs the models

        deliver_due()
