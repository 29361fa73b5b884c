from apps.messaging.context import ContextConfig


class PaymentsConfig(ContextConfig):
    name = "apps.payments"
    label = "payments"
