"""The routes of notifications: customers' under /api/v1/, the mail provider's under /webhooks/."""

from django.urls import path

from apps.notifications.api.views import ContactView, mail_webhook

customers = [path("contact", ContactView.as_view(), name="contact")]
providers = [path("mail", mail_webhook, name="mail_webhook")]
