from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as django_admin
from django.core.checks import register
from django.core.signals import request_finished
from waffle.apps import WaffleConfig

from sagaplatform.request_id import forget_request_id


class SagaplatformConfig(AppConfig):
    """The composition root: the only package that knows all others."""

    default = True
    name = "sagaplatform"
    label = "sagaplatform"

    def ready(self) -> None:
        """Every process of Django may wake a worker. (The package itself imports nothing, for the
        local stack is in it, which runs before Celery is installed.)"""
        import_module("sagaplatform.celery")
        if settings.OTLP_ENDPOINT:
            import_module("sagaplatform.tracing").begin()
        import_module("sagaplatform.roles").keep_roles_after_migrations()
        import_module("sagaplatform.switches").keep_switches_after_migrations()
        import_module("sagaplatform.navigation").name_lists(settings.CONTEXTS)
        if settings.IS_WHOLE:
            _add_to_audit()
        checks = import_module("sagaplatform.checks")
        register(checks.named_contexts_have_databases)
        register(checks.all_have_databases, deploy=True)
        register(checks.returns_arrive_before_their_deadline)
        request_finished.connect(forget_request_id, dispatch_uid="request_id")


def _add_to_audit() -> None:
    """What is changed in `default` is part of the audit of all databases."""
    audit, kept = import_module("apps.ops.audit"), import_module("sagaplatform.staff_audit")
    audit.SOURCES.append(audit.Source(kept.newest, kept.operations))


class AdminConfig(django_admin.AdminConfig):
    """Django's admin with our site, which knows of the second factor."""

    default = False
    default_site = "sagaplatform.admin_site.AdminSite"


class FlagsConfig(WaffleConfig):
    """Waffle, by what its one page here is called."""

    verbose_name = "Users & flags"
