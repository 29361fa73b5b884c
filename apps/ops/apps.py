from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Views across contexts; installed only where all of them are."""

    name = "apps.ops"
    label = "ops"

    def ready(self) -> None:
        """Add what all contexts know of a saga to its page, and to the metrics who reads alerts."""
        from apps.contracts.catalogue import ALERTS  # noqa: PLC0415 - apps are loaded by now
        from apps.messaging.lag import OTHERS, Group  # noqa: PLC0415
        from apps.ops.alerts.ways import WAYS  # noqa: PLC0415
        from apps.ops.pages import sections_of  # noqa: PLC0415
        from apps.sagas.admin.page import SECTIONS  # noqa: PLC0415

        SECTIONS.append(sections_of)
        OTHERS["sagas"] = [Group(each.group, (ALERTS,), always=False) for each in WAYS]
