"""What is asked on the pages of login and confirmation."""

from django import forms
from unfold.widgets import BASE_INPUT_CLASSES

CLASSES = " ".join(BASE_INPUT_CLASSES)


class CodeForm(forms.Form):
    """Of the authenticator, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(
            {"class": CLASSES, "autofocus": True, "autocomplete": "one-time-code",
             "autocapitalize": "none", "spellcheck": "false"}
        ),
    )  # fmt: skip


class PasswordForm(forms.Form):
    """Of whoever is logged in and has no second factor."""

    password = forms.CharField(
        label="Password",
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(
            {"class": CLASSES, "autofocus": True, "autocomplete": "current-password"}
        ),
    )
