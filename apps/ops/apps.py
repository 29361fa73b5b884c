from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Views across contexts; installed only where all of them are."""

    name = "apps.ops"
    label = "ops"

    def ready(self) -> None:
        """Add what all contexts know of a saga to its page."""
        from apps.ops.pages import sections_of  # noqa: PLC0415 - models are loaded by now
        from apps.sagas.admin.page import SECTIONS  # noqa: PLC0415

        SECTIONS.append(sections_of)
