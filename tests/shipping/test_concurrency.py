"""Two consumers at once, with real threads and real commits."""

from functools import partial

import psycopg

from tests.shipping.desk import CANCELLED, HANDED_OVER, booked, cancel, hand_over, shipment
from tests.threads import at_once


def test_a_parcel_is_either_handed_over_or_cancelled(
    databases: dict[str, psycopg.Connection],
) -> None:
    for _ in range(5):
        saga_id = booked()
        rivals = at_once(partial(hand_over, saga_id), partial(cancel, saga_id))
        came = [type(each).__name__ for each in rivals]
        assert (came, shipment(databases["shipping"], saga_id)) in [
            (["ShipmentHandedOver", "ShipmentHasLeft"], HANDED_OVER),
            (["ShipmentNotBooked", "ShipmentCancelled"], CANCELLED),
        ]


def test_a_parcel_leaves_once(databases: dict[str, psycopg.Connection]) -> None:
    saga_id = booked()
    came = at_once(*[lambda: hand_over(saga_id)] * 2)
    assert sorted(type(each).__name__ for each in came) == ["NoneType", "ShipmentHandedOver"]
    assert shipment(databases["shipping"], saga_id) == HANDED_OVER
