"""Users, flags and the schedule in the admin's own look; what nobody uses here is left out."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from knox.models import AuthToken
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from waffle import get_waffle_switch_model
from waffle.admin import SwitchAdmin as WaffleSwitchAdmin
from waffle.models import Flag, Sample

admin.site.index_title = "Home"
Switch = get_waffle_switch_model()

# Tokens are made by logging in; flags and samples differ by request, which no saga could live with;
# what beat sends, it sends at intervals.
LEFT_OUT = (AuthToken, Flag, Sample, ClockedSchedule, CrontabSchedule, SolarSchedule)
for model in (User, Group, Switch, PeriodicTask, IntervalSchedule, *LEFT_OUT):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Customers and staff."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "is_active", "is_staff", "is_superuser", "last_login")
    show_full_result_count = False


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Rights by role."""


@admin.register(Switch)
class SwitchAdmin(WaffleSwitchAdmin, ModelAdmin):
    """What is on. A flip changes the sagas that start after it, and no other."""

    fields = ("name", "active", "note")


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin):
    """What beat sends. It may be turned off or sent at another interval, and stays so over a
    restart; which tasks there are is the code's to say."""

    list_display = ("name", "enabled", "interval", "last_run_at")
    fields = ("name", "task", "args", "enabled", "interval", "expire_seconds", "last_run_at")
    readonly_fields = ("name", "task", "args", "expire_seconds", "last_run_at")
    search_fields = ("name",)
    list_select_related = ("interval",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, task: object = None) -> bool:
        """Beat would write it again when it starts."""
        return False


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    """The intervals to choose from. Several tasks may share one, so none is changed or deleted."""

    list_display = ("__str__", "every", "period")
    search_fields = ("=every",)
    search_help_text = "How many seconds, minutes, … in full"

    def has_change_permission(self, request: HttpRequest, interval: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, interval: object = None) -> bool:
        return False
