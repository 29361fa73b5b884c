from apps.messaging.context import ContextConfig


class PricingConfig(ContextConfig):
    name = "apps.pricing"
    label = "pricing"
