from apps.messaging.context import ContextConfig


class FraudConfig(ContextConfig):
    default = True  # not ContextConfig, which Django sees in this module too
    name = "apps.fraud"
    label = "fraud"
    operations = ("clear", "refuse")
