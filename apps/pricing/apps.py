from apps.messaging.context import ContextConfig


class PricingConfig(ContextConfig):
    name = "apps.pricing"
    label = "pricing"
    default = True  # Django sees the imported base beside it and would take neither
