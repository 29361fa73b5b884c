from apps.messaging.context import ContextConfig


class SagasConfig(ContextConfig):
    name = "apps.sagas"
    label = "sagas"
