"""What people can do to the mode of a process in the admin, as data. It calls the one service."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.messaging.admin.acting import Act, ActForm, Foreseen, Given, Outcome, Part
from apps.messaging.display import words
from apps.orders.models import ModeShare
from apps.orders.modes import set_share

WHAT_HAPPENS = (
    "Of the sagas that start from now on so many are driven by events, chosen by their ids.",
    "Sagas under way keep the mode that they began with, to their end.",
)


class ModeForm(ActForm):
    """How many percent."""

    percent = forms.IntegerField(
        label="Percent by events",
        min_value=0,
        max_value=100,
        help_text="0: the engine drives all new sagas. 100: events drive all of them.",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, subject: ModeShare, **others: Any) -> None:
        super().__init__(*args, subject=subject, **others)
        self.fields["percent"].initial = subject.choreographed_percent


def foresee(share: ModeShare, choice: str) -> Foreseen:
    """What a change would do."""
    percent = share.choreographed_percent
    now = f"Events drive {percent} % of new sagas of {words(share.process)}, the engine the others."
    return Foreseen(share.version, parts=[Part("Now", [now]), Part("What happens", WHAT_HAPPENS)])


def change(share: ModeShare, given: Given) -> Outcome:
    """Carry it out."""
    percent = given.fields["percent"]
    set_share(
        process=share.process,
        percent=percent,
        version=given.version,
        actor=given.actor,
        reason=given.reason,
    )
    return Outcome(f"Events drive {percent} % of new sagas of {words(share.process)} from now on.")


SET_MODE = Act(
    name="set",
    label="Change the mode",
    sentence="Sets how many of the new sagas events drive; the engine drives the others.",
    icon="tune",
    permission="set_mode",
    preview=foresee,
    carry_out=change,
    form=ModeForm,
)
