"""Users and flags in the admin's own look; what nobody uses here is left out."""

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
# sweeps have an interval and no calendar.
SCHEDULES = (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule)
for model in (User, Group, Switch, AuthToken, Flag, Sample, *SCHEDULES):
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
    """What beat sends, and how often. Which sweeps there are is the code's matter."""

    list_display = ("name", "interval", "enabled", "last_run_at")
    fields = ("name", "task", "args", "interval", "enabled", "last_run_at")
    readonly_fields = ("name", "task", "args", "last_run_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
