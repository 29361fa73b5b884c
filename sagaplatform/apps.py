from django.apps import AppConfig
from django.core.signals import request_finished
from django.db.models.signals import post_migrate

from sagaplatform.request_id import forget_request_id


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    name = "sagaplatform"
    label = "sagaplatform"

    def ready(self) -> None:
        from sagaplatform.celery import create_missing_schedules  # noqa: PLC0415  reads settings

        post_migrate.connect(create_missing_schedules, sender=self)
        request_finished.connect(forget_request_id, dispatch_uid="request_id")
