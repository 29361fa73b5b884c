from django.apps import AppConfig


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    name = "sagaplatform"
    label = "sagaplatform"
