from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The demonstration shop: buys in every context, so it is installed only where all are."""

    name = "sagaplatform.shop"
    label = "shop"
