"""The routes of payments, under /webhooks/."""

from django.urls import path

from apps.payments.webhooks import StripeWebhook

urlpatterns = [path("stripe", StripeWebhook.as_view(), name="stripe_webhook")]
