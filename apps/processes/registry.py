"""The live definitions, by name and version. A version stays as long as a saga of it may live."""

from collections.abc import Iterable
from functools import lru_cache

from apps.contracts.base import Refusal
from apps.contracts.plan import Plan
from apps.processes.cancel_order import CANCEL_ORDER
from apps.processes.definition import Process
from apps.processes.errors import DefinitionError, UnknownProcess
from apps.processes.place_order import PLACE_ORDER
from apps.processes.place_order_2 import PLACE_ORDER_2
from apps.processes.return_order import RETURN_ORDER

LIVE = (PLACE_ORDER, PLACE_ORDER_2, CANCEL_ORDER, RETURN_ORDER)


def by_name_and_version(definitions: Iterable[Process]) -> dict[tuple[str, int], Process]:
    """Raises DefinitionError where two have the same name and version."""
    found: dict[tuple[str, int], Process] = {}
    for each in definitions:
        if found.setdefault((each.name, each.version), each) is not each:
            raise DefinitionError(each.name, "", f"version {each.version} is defined twice")
    return found


def process(name: str, version: int) -> Process:
    """The live definition of that name and version. Raises UnknownProcess."""
    try:
        return BY_NAME_AND_VERSION[name, version]
    except KeyError:
        raise UnknownProcess(name, version) from None


def newest(name: str) -> Process:
    """The version that new sagas begin with. Raises UnknownProcess."""
    versions = [each for each in LIVE if each.name == name]
    if not versions:
        raise UnknownProcess(name, 1)
    return max(versions, key=lambda each: each.version)


def refusals() -> frozenset[type[Refusal]]:
    """What any step of a live definition may be refused with."""
    return frozenset(
        step.refusal for definition in LIVE for step in definition.steps if step.refusal
    )


@lru_cache(maxsize=4096)
def inputs_from(plan: Plan, step: str) -> frozenset[str]:
    """The inputs that this step and those behind it in the plan need.

    What is in no later one can be forgotten; so is the address, once the parcel is booked.
    """
    return process(plan.process, plan.version).inputs_from(plan, step)


BY_NAME_AND_VERSION = by_name_and_version(LIVE)
