from apps.messaging.context import ContextConfig


class OrdersConfig(ContextConfig):
    default = True  # not ContextConfig, which Django sees in this module too
    name = "apps.orders"
    label = "orders"
    operations = ("reveal_address", "set_mode", "tell_start")
