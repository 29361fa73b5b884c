from apps.messaging.context import ContextConfig


class OrdersConfig(ContextConfig):
    name = "apps.orders"
    label = "orders"
