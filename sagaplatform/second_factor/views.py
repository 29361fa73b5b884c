"""The pages: a code after the password, setting up, recovery codes, and confirming who one is."""

import time
from typing import Any

import segno
from django import forms
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME, authenticate
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_otp import login as verify_session
from django_otp.models import Device

from apps.messaging.admin.step_up import CONFIRMED_AT, confirm_address, confirmed_lately
from apps.messaging.audit import Actor
from sagaplatform.lock_out import codes_of, count_failure, forget_failures, is_locked_out
from sagaplatform.second_factor import devices
from sagaplatform.second_factor.devices import TooSoon, WrongCode
from sagaplatform.second_factor.forms import CodeForm, PasswordForm
from sagaplatform.second_factor.waiting import let_in, let_wait, who_waits

KEY = "key_of_second_factor"  # in the session, until a code proves that it arrived
BY_THEMSELVES = "by themselves"


class PasswordView(LoginView):
    """The first half of a login, and all of it where no second factor is set up or required."""

    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if devices.has_factor(user):
            let_wait(self.request, user)
            return _to("admin:code", self.get_success_url())
        if devices.is_required():
            let_wait(self.request, user)
            return _to("admin:set_up", self.get_success_url())
        answer = super().form_valid(form)
        self.request.session[CONFIRMED_AT] = time.time()
        return answer


@never_cache
@sensitive_post_parameters("code")
def code(request: HttpRequest) -> HttpResponse:
    """The second half: a code of whoever gave a password."""
    user = who_waits(request)
    if user is None:
        return _to("admin:login", _next(request))
    form = CodeForm(_given(request))
    if request.method == "POST" and form.is_valid() and (device := _proven(request, user, form)):
        let_in(request, user, device)
        return HttpResponseRedirect(_next(request))
    return _page(request, "code", "Second factor", form=form, who=user)


@never_cache
@sensitive_post_parameters("code")
def set_up(request: HttpRequest) -> HttpResponse:
    """Share a key with an authenticator, and prove by a code that it arrived."""
    waiting = who_waits(request)
    user = waiting or (request.user if admin.site.has_permission(request) else None)
    if not isinstance(user, User) or (waiting and devices.has_factor(waiting)):
        return _to("admin:login", _next(request))
    if not waiting and not confirmed_lately(request):
        return redirect(confirm_address(request))
    key = request.session.setdefault(KEY, devices.new_key())
    form = CodeForm(_given(request))
    if request.method == "POST" and form.is_valid():
        try:
            device, codes = devices.set_up(
                user=user, key=key, code=form.cleaned_data["code"], actor=_actor(user),
                reason=BY_THEMSELVES,
            )  # fmt: skip
        except WrongCode as error:
            form.add_error("code", str(error.__doc__))
        else:
            del request.session[KEY]
            _verify(request, user, device, waiting=bool(waiting))
            return _codes_page(request, codes)
    return _page(
        request, "set_up", "Set up a second factor", form=form, who=user,
        secret=devices.secret_of(key), picture=_picture(devices.address_of(user, key)),
        required=devices.is_required(),
    )  # fmt: skip


def overview(request: HttpRequest) -> HttpResponse:
    """Whether one's second factor is set up, and what can be done with it."""
    user = _user(request)
    return _page(
        request, "overview", "Second factor", has_factor=devices.has_factor(user),
        codes_left=devices.recovery_codes_left(user), required=devices.is_required(),
    )  # fmt: skip


@require_POST
def renew_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes in place of the old ones."""
    user = _user(request)
    if not devices.has_factor(user):
        return redirect("admin:second_factor")
    if not confirmed_lately(request):
        return _to("admin:confirm", reverse("admin:second_factor"))
    codes = devices.renew_recovery_codes(user=user, actor=_actor(user), reason=BY_THEMSELVES)
    return _codes_page(request, codes)


@sensitive_post_parameters("code", "password")
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask again who this is, before money moves: by a code, or by the password without one."""
    user = _user(request)
    by_code = devices.has_factor(user)
    form = (CodeForm if by_code else PasswordForm)(_given(request))
    if request.method == "POST" and form.is_valid():
        proof = _proven if by_code else _knows_password
        if proof(request, user, form):
            request.session[CONFIRMED_AT] = time.time()
            return HttpResponseRedirect(_next(request))
    return _page(request, "confirm", "Confirm that it is you", form=form, by_code=by_code)


def _proven(request: HttpRequest, user: User, form: forms.Form) -> Device | None:
    """The device that the form's code is of. Failures are told on the form, and counted."""
    counted = codes_of(user.get_username())
    if is_locked_out(request, counted):
        return None
    try:
        device = devices.check(user, form.cleaned_data["code"])
    except TooSoon as error:
        form.add_error("code", f"Wait {error.seconds} s before you try again.")
    except WrongCode as error:
        count_failure(request, counted)
        form.add_error("code", str(error.__doc__))
    else:
        forget_failures(request, counted)
        return device
    return None


def _knows_password(request: HttpRequest, user: User, form: forms.Form) -> bool:
    """Whether the form's password is right. Failures are told on the form; axes counts them."""
    name = user.get_username()
    if authenticate(request, username=name, password=form.cleaned_data["password"]) == user:
        forget_failures(request, name)
        return True
    form.add_error("password", "The password is wrong.")
    return False


def _verify(request: HttpRequest, user: User, device: Device, *, waiting: bool) -> None:
    if waiting:
        let_in(request, user, device)
    else:
        verify_session(request, device)
        request.session.cycle_key()


def _codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Shown in this one answer, and kept nowhere that could show them again."""
    answer = _page(request, "codes", "Recovery codes", codes=codes, next=_next(request))
    answer["Cache-Control"] = "no-store"
    return answer


def _page(request: HttpRequest, name: str, title: str, **facts: object) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": title,
        "subtitle": None,
        "next": _next(request),
        **facts,
    }
    form = facts.get("form")
    status = 400 if isinstance(form, forms.Form) and form.errors else 200
    return render(request, f"admin/second_factor/{name}.html", context, status=status)


def _given(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: to where one came from, if that is here; else home."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else reverse("admin:index")


def _to(page: str, next: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse(page)}?{urlencode({REDIRECT_FIELD_NAME: next})}")


def _picture(address: str) -> str:
    """A code to scan, as SVG without styles; black on white in dark mode, too."""
    drawn = segno.make(address, error="m").svg_inline(scale=4, border=4, light="#fff")
    return mark_safe(drawn)  # noqa: S308 - drawn by us


def _user(request: HttpRequest) -> User:
    """Whoever is logged in: the admin lets nobody else so far."""
    assert isinstance(request.user, User)
    return request.user


def _actor(user: User) -> Actor:
    return Actor(user.pk, user.get_username())
