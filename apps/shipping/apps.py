from apps.messaging.context import ContextConfig


class ShippingConfig(ContextConfig):
    name = "apps.shipping"
    label = "shipping"
    default = True  # Django sees the imported base beside it and would take neither
