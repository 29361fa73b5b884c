from apps.messaging.context import ContextConfig


class PaymentsConfig(ContextConfig):
    name = "apps.payments"
    label = "payments"
    default = True  # Django sees the imported base beside it and would take neither
