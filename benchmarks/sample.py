"""Measuring the shape: a sample of orders is placed and carried out, and all of it is counted."""

from contextlib import AbstractContextManager
from pathlib import Path

from django.conf import settings

from apps.contracts.catalogue import CONTEXTS
from benchmarks.check import wait_until_settled
from benchmarks.environment import Owners
from benchmarks.shape import (
    SAMPLE,
    Shape,
    counted,
    counted_until,
    one_trace,
    place_sample,
    rows_between,
)
from benchmarks.systems import Platform


def measure_shape(owners: Owners, folder: Path) -> Shape:
    """Place the sample while no consumer runs, then let them carry it out; count after each."""
    platform = Platform(folder)
    before = counted_until(owners, counted(owners), ("orders", "orders_order"), 0)
    place_sample(folder)
    placed = counted_until(owners, before, ("orders", "orders_order"), SAMPLE)
    carry_out(platform, owners)
    done = counted_until(owners, placed, ("sagas", "sagas_saga"), SAMPLE)
    return Shape(
        placing=rows_between(owners, before, placed, "orders"),
        carrying={each: rows_between(owners, placed, done, each) for each in CONTEXTS},
        trace=one_trace(settings.KAFKA_TOPIC_PREFIX, platform.topics, SAMPLE),
    )


def carry_out(platform: AbstractContextManager[object], owners: Owners) -> None:
    """Run the consumers until nothing is under way."""
    with platform:
        wait_until_settled(owners, SAMPLE)
