from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Views across contexts; installed only where all of them are."""

    name = "apps.ops"
    label = "ops"

    def ready(self) -> None:
        """Add what all contexts know of a saga, and what Kafka does, to its page; its order's
        number to searches; who reads alerts to the metrics."""
        from apps.contracts.catalogue import ALERTS  # noqa: PLC0415
        from apps.messaging.admin.finding import FINDERS  # noqa: PLC0415
        from apps.messaging.lag import OTHERS, Group  # noqa: PLC0415
        from apps.ops.alerts.ways import WAYS  # noqa: PLC0415
        from apps.ops.order_case import PAGE  # noqa: PLC0415
        from apps.ops.pages import addition_to  # noqa: PLC0415 - models are loaded by now
        from apps.ops.saga_messages_page import PAGES  # noqa: PLC0415
        from apps.orders.admin import OrderAdmin  # noqa: PLC0415
        from apps.orders.selectors import sagas_named  # noqa: PLC0415
        from apps.sagas.admin.page import ADDITIONS, SagaPage  # noqa: PLC0415

        ADDITIONS.append(addition_to)
        SagaPage.pages.extend(PAGES)
        OrderAdmin.pages.append(PAGE)
        FINDERS.append(sagas_named)
        OTHERS["sagas"] = [Group(each.group, (ALERTS,), always=False) for each in WAYS]
