"""What sagas can be chosen by. Each choice is served by an index of its own, see models.Saga."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q
from django.utils import timezone

from apps.contracts.plan import Mode
from apps.messaging.admin.filters import Choice, ChoiceFilter, RangeFilter, moment_of
from apps.messaging.display import words
from apps.processes import LIVE as DEFINITIONS
from apps.sagas.models import LIVE, TAKEN_OVER, TURNED
from apps.sagas.state import ENDED, Status

IN_FLIGHT = "live"  # in place of a status: all that have not ended
AGES = {60: "a minute", 300: "5 minutes", 900: "15 minutes", 3600: "an hour", 86400: "a day"}
# What turns a saga back beside refusals: the engine's own causes, and people.
OTHER_CAUSES = ("NoAnswer", "DeadlinePassed", "CancelWished", "SkipFailed", "TurnedBack")
MODES = {each.value: Q(mode=each.value) for each in Mode} | {"taken_over": TAKEN_OVER}


def standing(status: str) -> Q:
    """The sagas of a status, or all in flight, through the index of live or of ended ones."""
    if status == IN_FLIGHT:
        return LIVE
    return Q(status=status) & (~LIVE if status in ENDED else LIVE)


class StateFilter(ChoiceFilter):
    title = "state"
    names = ("status__exact",)

    def offered(self) -> Iterator[Choice]:
        yield Choice(IN_FLIGHT, "in flight")
        for each in Status:
            yield Choice(each.value, words(each.value))

    def wanted(self) -> Q:
        if self.value not in (IN_FLIGHT, *Status):
            raise IncorrectLookupParameters(f"no state: {self.value!r}")
        return standing(self.value)


class ProcessFilter(ChoiceFilter):
    title = "process"
    names = ("process",)

    def offered(self) -> Iterator[Choice]:
        for name in sorted({each.name for each in DEFINITIONS}):
            yield Choice(name, words(name))

    def wanted(self) -> Q:
        return Q(process=self.value)


class ModeFilter(ChoiceFilter):
    """How a saga began, and which the engine took over since then."""

    title = "mode"
    names = ("mode",)

    def offered(self) -> Iterator[Choice]:
        return (Choice(each, words(each)) for each in MODES)

    def wanted(self) -> Q:
        if self.value not in MODES:
            raise IncorrectLookupParameters(f"no mode: {self.value!r}")
        return MODES[self.value]


class PendingStepFilter(ChoiceFilter):
    """Only live sagas wait for anything, and they are few."""

    title = "step it waits for"
    names = ("pending_step",)

    def offered(self) -> Iterator[Choice]:
        return steps()

    def wanted(self) -> Q:
        return LIVE & Q(pending_step=self.value)


class CauseStepFilter(ChoiceFilter):
    title = "step it turned back at"
    names = ("cause_step",)

    def offered(self) -> Iterator[Choice]:
        return steps()

    def wanted(self) -> Q:
        return TURNED & Q(cause_step=self.value)


class CauseFilter(ChoiceFilter):
    title = "error"
    names = ("cause_type",)

    def offered(self) -> Iterator[Choice]:
        return (Choice(each, each) for each in causes())

    def wanted(self) -> Q:
        return TURNED & Q(cause_type=self.value)


class AgeFilter(ChoiceFilter):
    title = "age: in flight for longer than"
    names = ("older_than",)  # seconds

    def offered(self) -> Iterator[Choice]:
        for seconds, text in AGES.items():
            yield Choice(str(seconds), text)

    def wanted(self) -> Q:
        try:
            age = timedelta(seconds=int(self.value))
            return LIVE & Q(started_at__lt=timezone.now() - age)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error


class AmountFilter(RangeFilter):
    title = "amount of the order"
    names = ("amount_from", "amount_to")
    field = "total_cents"
    kind = "money"
    below = "lte"


class StartedFilter(RangeFilter):
    title = "started"
    names = ("started_from", "started_to")
    field = "started_at"
    kind = "moment"


class EndedFilter(RangeFilter):
    title = "ended"
    names = ("ended_from", "ended_to")
    field = "ended_at"
    kind = "moment"

    def wanted(self) -> Q:
        """What ended before a time had started before it: said as well, it tells PostgreSQL where
        to begin in a list that is in the order of the starts."""
        until = self.given("ended_to")
        return super().wanted() & (Q(started_at__lt=moment_of(until)) if until else Q())


FILTERS = (
    StateFilter, ProcessFilter, ModeFilter, PendingStepFilter, CauseStepFilter, CauseFilter,
    AgeFilter, AmountFilter, StartedFilter, EndedFilter,
)  # fmt: skip


def steps() -> Iterator[Choice]:
    """The steps of the live definitions."""
    names = dict.fromkeys(step.name for each in DEFINITIONS for step in each.steps)
    return (Choice(name, words(name)) for name in names)


def causes() -> list[str]:
    """What may turn a saga back, by its type."""
    refusals = {
        step.refusal.__name__ for each in DEFINITIONS for step in each.steps if step.refusal
    }
    return [*sorted(refusals), *OTHER_CAUSES]
