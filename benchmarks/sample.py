"""Measuring the shape: a sample of orders is placed and carried out, and all of it is counted."""

from pathlib import Path

from django.conf import settings

from apps.contracts.catalogue import CONTEXTS
from apps.contracts.plan import Mode
from benchmarks.check import wait_until_settled
from benchmarks.environment import Owners
from benchmarks.modes import drive_by
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


def measure_shape(owners: Owners, mode: Mode, folder: Path, placed: int) -> Shape:
    """Place the sample while no consumer runs, then let them carry it out; count after each.

    `placed` orders were placed and carried out before."""
    platform = Platform(mode, folder)
    drive_by(mode)
    before = counted_until(owners, counted(owners), ("orders", "orders_order"), 0)
    place_sample(mode, folder)
    after_placing = counted_until(owners, before, ("orders", "orders_order"), SAMPLE)
    with platform:
        wait_until_settled(owners, placed + SAMPLE)
    done = counted_until(owners, after_placing, ("sagas", "sagas_saga"), SAMPLE)
    return Shape(
        placing=rows_between(owners, before, after_placing, "orders"),
        carrying={each: rows_between(owners, after_placing, done, each) for each in CONTEXTS},
        trace=one_trace(settings.KAFKA_TOPIC_PREFIX, platform.topics, mode, SAMPLE),
    )
