"""The routes of shipping, under /webhooks/."""

from django.urls import path

from apps.shipping.webhooks import carrier_webhook

urlpatterns = [path("carrier", carrier_webhook, name="carrier_webhook")]
