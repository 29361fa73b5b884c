"""A saga as data: its steps in order, each with its undo, checked when it is built.

Inputs travel by name. A command is exactly what its type sees of the inputs: the starting event's
fields, and those that a later step `gives` with its success.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from apps.contracts.base import Event
from apps.contracts.headers import PLAN, longest
from apps.contracts.plan import Mode, Plan
from apps.processes.checks import check
from apps.processes.errors import DefinitionError, UnknownStep, UnknownWish
from apps.processes.patience import OnRefusal, Patience
from apps.processes.step import Kind, Step

__all__ = ["Kind", "OnRefusal", "Patience", "Process", "Step"]


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A saga's definition. Raises DefinitionError, with process and step, where it cannot work."""

    name: str
    version: int
    steps: tuple[Step, ...]
    personal: tuple[str, ...] = ()  # fields of the starting event that no history may keep
    deadline: float = 3600.0  # seconds from the start, after which it turns back where it still can

    def __post_init__(self) -> None:
        check(self.name, self.version, self.steps, self.personal, self.deadline)
        self._check_header()

    def _check_header(self) -> None:
        length, most = len(self.plan(self.wishes, Mode.CHOREOGRAPHED).to_header()), longest(PLAN)
        if length > most:
            problem = f"its plan has {length} characters, a header {most}: shorten the names"
            raise DefinitionError(self.name, "", problem)

    @property
    def start(self) -> type[Event]:
        """The event that starts it."""
        return self.steps[0].success

    @property
    def wishes(self) -> frozenset[str]:
        """What its optional steps can be wished by."""
        return frozenset(each.wish for each in self.steps if each.wish)

    def step(self, name: str) -> Step:
        """The step of that name. Raises UnknownStep."""
        for each in self.steps:
            if each.name == name:
                return each
        raise UnknownStep(self.name, name)

    def next_version(self, *, step: Step, behind: str) -> "Process":
        """The same of the version after this one, with one step more. Raises UnknownStep and
        DefinitionError."""
        at = self.steps.index(self.step(behind)) + 1
        steps = (*self.steps[:at], step, *self.steps[at:])
        return replace(self, version=self.version + 1, steps=steps)

    def plan(self, wishes: Collection[str], mode: Mode) -> Plan:
        """The steps that one saga takes, with the optional ones among `wishes`.

        Raises UnknownWish for a wish that no step is there for.
        """
        if unknown := set(wishes) - self.wishes:
            raise UnknownWish(self.name, sorted(unknown))
        taken = tuple(each.name for each in self.steps if not each.wish or each.wish in wishes)
        return Plan(process=self.name, version=self.version, mode=mode, steps=taken)

    def inputs_from(self, plan: Plan, step: str) -> frozenset[str]:
        """The inputs that this step and those behind it in the plan need."""
        remaining = plan.steps[plan.steps.index(step) :]
        return frozenset[str]().union(*(self.step(name).inputs for name in remaining))
