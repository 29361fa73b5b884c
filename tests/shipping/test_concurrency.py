"""Two consumers at once, with real threads and real commits."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
from django.db import connections

from tests.shipping.desk import CANCELLED, HANDED_OVER, booked, cancel, hand_over, shipment


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Call each in a thread of its own at the same moment; the types of what came of it."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> str:
        try:
            start.wait()
            return type(call()).__name__
        except Exception as error:
            return type(error).__name__
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_a_parcel_is_either_handed_over_or_cancelled(
    databases: dict[str, psycopg.Connection],
) -> None:
    for _ in range(5):
        saga_id = booked()
        came = at_once(partial(hand_over, saga_id), partial(cancel, saga_id))
        assert (came, shipment(databases["shipping"], saga_id)) in [
            (["ShipmentHandedOver", "ShipmentHasLeft"], HANDED_OVER),
            (["ShipmentNotBooked", "ShipmentCancelled"], CANCELLED),
        ]


def test_a_parcel_leaves_once(databases: dict[str, psycopg.Connection]) -> None:
    saga_id = booked()
    came = at_once(*[lambda: hand_over(saga_id)] * 2)
    assert sorted(came) == ["ShipmentHandedOver", "ShipmentNotBooked"]
    assert shipment(databases["shipping"], saga_id) == HANDED_OVER
