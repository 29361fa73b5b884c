from apps.messaging.context import ContextConfig


class InventoryConfig(ContextConfig):
    name = "apps.inventory"
    label = "inventory"
    default = True  # Django sees the imported base beside it and would take neither
    operations = ("receive", "refuse")
