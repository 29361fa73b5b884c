"""Sagas as data: what the steps are, in which order, and how each is undone."""

from apps.processes.cancel_order import CANCEL_ORDER
from apps.processes.definition import Kind, OnRefusal, Patience, Process, Step
from apps.processes.place_order import PLACE_ORDER
from apps.processes.registry import LIVE, inputs_from, newest, process, refusals
from apps.processes.return_order import RETURN_ORDER

__all__ = [
    "CANCEL_ORDER", "LIVE", "PLACE_ORDER", "RETURN_ORDER", "Kind", "OnRefusal", "Patience",
    "Process", "Step", "inputs_from", "newest", "process", "refusals",
]  # fmt: skip
