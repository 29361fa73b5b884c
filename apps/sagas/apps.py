from django.core.checks import register

from apps.messaging.context import ContextConfig


class SagasConfig(ContextConfig):
    name = "apps.sagas"
    label = "sagas"
    default = True  # Django sees the imported base beside it and would take neither

    def ready(self) -> None:
        from apps.sagas.checks import waits_fit  # noqa: PLC0415  the handlers need the models

        register(waits_fit)
