from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Views across contexts; installed only where all of them are."""

    name = "apps.ops"
    label = "ops"

    def ready(self) -> None:
        """Add what all contexts know of a saga to its page."""
        from apps.ops.pages import addition_to  # noqa: PLC0415 - models are loaded by now
        from apps.sagas.admin.page import ADDITIONS  # noqa: PLC0415

        ADDITIONS.append(addition_to)
