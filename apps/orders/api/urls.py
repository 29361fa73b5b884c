"""The routes of orders, under /api/v1/."""

from django.urls import path

from apps.orders.api.views import CancellationsView, OrdersView, OrderView, ReturnsView

urlpatterns = [
    path("orders", OrdersView.as_view(), name="orders"),
    path("orders/<uuid:order_id>", OrderView.as_view(), name="order"),
    path("orders/<uuid:order_id>/cancellations", CancellationsView.as_view(), name="cancellations"),
    path("orders/<uuid:order_id>/returns", ReturnsView.as_view(), name="returns"),
]
