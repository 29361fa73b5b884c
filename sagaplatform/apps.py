from importlib import import_module

from django.apps import AppConfig
from django.core.signals import request_finished

from sagaplatform.request_id import forget_request_id


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    name = "sagaplatform"
    label = "sagaplatform"

    def ready(self) -> None:
        """Every process of Django may wake a worker. (The package itself imports nothing, for the
        local stack is in it, which runs before Celery is installed.)"""
        import_module("sagaplatform.celery")
        request_finished.connect(forget_request_id, dispatch_uid="request_id")
