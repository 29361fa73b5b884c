from apps.messaging.context import ContextConfig


class SagasConfig(ContextConfig):
    name = "apps.sagas"
    label = "sagas"
    default = True  # Django sees the imported base beside it and would take neither
