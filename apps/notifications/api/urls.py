"""The routes of notifications, under /api/v1/."""

from django.urls import path

from apps.notifications.api.views import ContactView

urlpatterns = [path("contact", ContactView.as_view(), name="contact")]
