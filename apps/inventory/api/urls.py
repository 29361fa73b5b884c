"""The routes of inventory, under /api/v1/."""

from django.urls import path

from apps.inventory.api.views import ReceiptsView

urlpatterns = [
    path("returns/<uuid:return_id>/receipts", ReceiptsView.as_view(), name="receipts"),
]
