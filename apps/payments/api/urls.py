"""The routes of payments, under /api/v1/."""

from django.urls import path

from apps.payments.api.views import CardsView, PaymentView

urlpatterns = [
    path("payments/<uuid:order_id>", PaymentView.as_view(), name="payment"),
    path("payments/<uuid:order_id>/cards", CardsView.as_view(), name="cards"),
]
