from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Views across contexts; installed only where all of them are."""

    name = "apps.ops"
    label = "ops"

    def ready(self) -> None:
        """Add what all contexts know of a saga to its page, and its order's number to searches."""
        from apps.messaging.admin.finding import FINDERS  # noqa: PLC0415
        from apps.ops.pages import sections_of  # noqa: PLC0415 - models are loaded by now
        from apps.orders.selectors import sagas_named  # noqa: PLC0415
        from apps.sagas.admin.page import SECTIONS  # noqa: PLC0415

        SECTIONS.append(sections_of)
        FINDERS.append(sagas_named)
