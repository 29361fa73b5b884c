"""The routes of payments: what the gateway calls."""

from django.urls import path

from apps.payments.webhooks import StripeWebhook

urlpatterns = [path("webhooks/stripe", StripeWebhook.as_view(), name="stripe_webhook")]
