from apps.messaging.context import ContextConfig


class ShippingConfig(ContextConfig):
    name = "apps.shipping"
    label = "shipping"
