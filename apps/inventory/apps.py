from apps.messaging.context import ContextConfig


class InventoryConfig(ContextConfig):
    name = "apps.inventory"
    label = "inventory"
