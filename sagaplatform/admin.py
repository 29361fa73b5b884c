"""Users, roles and the schedule in the admin's own look; what nobody uses here is left out.

Flags are in flags.py. What is changed needs a reason and is written down: see reasoned.py.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from knox.models import AuthToken
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from waffle.models import Flag, Sample

from apps.messaging.display import moment
from sagaplatform import flags  # noqa: F401 - registers them
from sagaplatform.reasoned import Reasoned, ReasonedAdmin, ReasonField
from sagaplatform.roles import ROLES

# Tokens are made by logging in, and devices of the second factor would show their secrets; flags
# and samples differ by request, which no saga could live with; what beat sends, it sends at
# intervals.
LEFT_OUT = (
    AuthToken, TOTPDevice, StaticDevice, Flag, Sample, ClockedSchedule, CrontabSchedule,
    SolarSchedule,
)  # fmt: skip
for model in (User, Group, PeriodicTask, IntervalSchedule, *LEFT_OUT):
    admin.site.unregister(model)


class ReasonedUserForm(UserChangeForm):
    reason = ReasonField()


class ReasonedNewUserForm(UserCreationForm):
    reason = ReasonField()


class ReasonedPasswordForm(AdminPasswordChangeForm):
    reason = ReasonField()


@admin.register(User)
class UserAdmin(Reasoned, DjangoUserAdmin, ModelAdmin):
    """Customers and staff. Nobody is deleted: history names them. Who leaves is not active."""

    form = ReasonedUserForm
    add_form = ReasonedNewUserForm
    change_password_form = ReasonedPasswordForm
    change_user_password_template = "admin/reasoned_password.html"  # noqa: S105
    list_display = ("username", "is_active", "is_staff", "is_superuser", "last_seen")
    show_full_result_count = False
    readonly_fields = ("last_seen", "joined")
    filter_horizontal = ()  # plain lists: the widgets with two panes cannot be used by everybody

    def get_fieldsets(self, request: HttpRequest, user: Any = None) -> Any:
        """Times to be read, in the reader's zone, in place of fields."""
        shown = {"last_login": "last_seen", "date_joined": "joined"}
        return [
            (title, {**options, "fields": [shown.get(each, each) for each in options["fields"]]})
            for title, options in super().get_fieldsets(request, user)
        ]

    @admin.display(description="last login", ordering="last_login")
    def last_seen(self, user: User) -> SafeString | str:
        return moment(user.last_login) or "never"

    @admin.display(description="date joined")
    def joined(self, user: User) -> SafeString | str:
        return moment(user.date_joined)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with transaction.atomic():  # together with the audit
            return super().user_change_password(request, id, form_url)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django tells of a new password here, and nowhere else."""
        if (
            request.resolver_match
            and request.resolver_match.url_name == "auth_user_password_change"
        ):
            reason = ReasonField().clean(request.POST.get("reason"))
            self.tell(request, "change", obj, {}, {"password": "set"}, reason)
        return super().log_change(request, obj, message)


@admin.register(Group)
class GroupAdmin(Reasoned, DjangoGroupAdmin, ModelAdmin):
    """Rights by role. The rights of the four roles are the code's to say, in roles.py."""

    fields = ("name", "permissions", "reason")
    filter_horizontal = ()

    def has_change_permission(self, request: HttpRequest, group: Any = None) -> bool:
        """Not of a role: the next migration would undo it."""
        if group and group.name in ROLES:
            return False
        return super().has_change_permission(request, group)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReasonedAdmin):
    """What beat sends. It may be turned off or sent at another interval, and stays so over a
    restart; which tasks there are is the code's to say."""

    list_display = ("name", "enabled", "interval", "last_sent")
    fields = ("name", "task", "args", "enabled", "interval", "expire_seconds", "last_sent")
    readonly_fields = ("name", "task", "args", "expire_seconds", "last_sent")
    search_fields = ("name",)
    list_select_related = ("interval",)

    @admin.display(description="last sent", ordering="last_run_at")
    def last_sent(self, task: PeriodicTask) -> SafeString | str:
        return moment(task.last_run_at) or "-"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ReasonedAdmin):
    """The intervals to choose from. Several tasks may share one, so none is changed or deleted."""

    list_display = ("__str__", "every", "period")
    search_fields = ("=every",)
    search_help_text = "How many seconds, minutes, … in full"

    def has_change_permission(self, request: HttpRequest, interval: object = None) -> bool:
        return False
