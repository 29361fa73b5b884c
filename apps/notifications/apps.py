from apps.messaging.context import ContextConfig, Job


class NotificationsConfig(ContextConfig):
    name = "apps.notifications"
    label = "notifications"
    default = True  # Django sees the imported base beside it and would take neither
    jobs = (Job("post", "apps.notifications.post.deliver_due", every=2),)
    operations = ("resend", "reveal_contact")
