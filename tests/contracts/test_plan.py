import pytest

from apps.contracts.plan import Mode, Plan

PLAN = Plan(
    process="place_order",
    version=3,
    mode=Mode.ORCHESTRATED,
    steps=("create_order", "confirm_order"),
)


def test_a_plan_travels_in_a_header() -> None:
    text = PLAN.to_header()
    assert text == "place_order/3/orchestrated/create_order,confirm_order"
    assert Plan.from_header(text) == PLAN


@pytest.mark.parametrize("text", ["", "place_order", "a/b/orchestrated/x", "a/1/sideways/x"])
def test_what_is_no_plan_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="expected process/version/mode/step,step"):
        Plan.from_header(text)
