"""Waits that do not fit together are refused at every start."""

from dataclasses import replace
from typing import Any

import pytest

from apps.messaging.wiring import wiring
from apps.sagas.checks import asked, outside_steps, waits_fit


def test_the_shipped_waits_fit() -> None:
    assert waits_fit(None) == []


def test_a_lease_that_outlasts_its_steps_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Any = wiring("payments").calls
    monkeypatch.setitem(calls, "capture", replace(calls["capture"], longest=60.0))

    found = waits_fit(None)

    assert {each.id for each in found} == {"sagas.E001"}
    told = [each.msg for each in found]
    assert any("place_order.capture_payment waits 90 s" in each for each in told)
    assert any("cancel_order.return_payment waits 90 s" in each for each in told)
    assert "lease of 125 s" in found[-1].msg


def test_the_definitions_say_which_steps_may_call_outside() -> None:
    """What may, a person may record; the engine knows it though it runs without their contexts."""
    said = {(name, step.name) for name, step, _ in asked() if step.outside}

    assert said == {(name, it.name) for name, it, of in asked() if it.name in outside_steps(of)}
