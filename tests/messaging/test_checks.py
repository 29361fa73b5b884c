"""Whoever calls outside can do so."""

from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from apps.messaging.checks import callers_are_equipped
from apps.messaging.providers import Provider
from apps.messaging.wiring import wiring


def test_the_shipped_callers_are_equipped() -> None:
    assert callers_are_equipped(None) == []


def test_a_context_without_a_table_for_its_providers_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(apps.get_app_config("payments").models, "providerstate")

    assert [(e.id, e.msg.split()[0]) for e in callers_are_equipped(None)] == [
        ("messaging.E001", "payments")
    ]


def test_a_provider_that_is_described_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Any = wiring("payments").calls
    other = replace(calls["capture"].provider, at_once=99)
    monkeypatch.setitem(calls, "capture", replace(calls["capture"], provider=other))

    [found] = callers_are_equipped(None)
    assert (found.id, "stripe" in found.msg) == ("messaging.E002", True)


@pytest.mark.parametrize(
    "wrong", [{"at_once": 0}, {"per_second": -1.0}, {"failures": -1}, {"rest": 0.0}]
)
def test_a_provider_that_cannot_be_called_is_refused_naming_its_settings(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(ImproperlyConfigured, match="STRIPE_"):
        Provider("stripe", **wrong)


def test_a_provider_is_as_the_settings_describe_it(settings: Any) -> None:
    given = {"at_once": 2, "per_second": 9.5, "failures": 7, "rest": 3.0}
    settings.PROVIDERS = {"carrier": given}

    assert Provider.from_settings("carrier") == Provider("carrier", 2, 9.5, 7, 3.0)
