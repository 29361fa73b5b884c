from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    name = "sagaplatform"
    label = "sagaplatform"

    def ready(self) -> None:
        from sagaplatform.celery import create_missing_schedules  # noqa: PLC0415  reads settings

        post_migrate.connect(create_missing_schedules, sender=self)
