from django.apps import AppConfig
from django.core.signals import request_finished

from sagaplatform.request_id import forget_request_id


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    name = "sagaplatform"
    label = "sagaplatform"

    def ready(self) -> None:
        request_finished.connect(forget_request_id, dispatch_uid="request_id")
