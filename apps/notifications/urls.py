"""The routes of notifications, under /webhooks/."""

from django.urls import path

from apps.notifications.api.views import mail_webhook

urlpatterns = [path("mail", mail_webhook, name="mail_webhook")]
