"""Users and flags in the admin's own look; what nobody uses here is left out."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from knox.models import AuthToken
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from waffle import get_waffle_switch_model
from waffle.admin import SwitchAdmin as WaffleSwitchAdmin
from waffle.models import Flag, Sample

admin.site.index_title = "Home"
Switch = get_waffle_switch_model()

# Tokens are made by logging in; flags and samples differ by request, which no saga could live with.
for model in (User, Group, Switch, AuthToken, Flag, Sample):
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
