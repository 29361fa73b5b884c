"""What people can do to a dispatch in the admin, as data."""

from apps.messaging.admin.acting import Act, Foreseen, Given, Outcome, Part
from apps.notifications.models import Channel, Dispatch, DispatchStatus
from apps.notifications.services import send_again

WHAT_IT_MEANS = {
    DispatchStatus.SENT: "It was taken, so the customer gets it twice, unless the mail program"
    " sees that the two are one.",
    DispatchStatus.UNKNOWN: "Whether the customer has it, nobody knows: it may come twice.",
    DispatchStatus.REFUSED: "It was not taken. Unless the address is mended, it will not be again.",
    DispatchStatus.BOUNCED: "It came back. Unless the address is mended, it will again.",
}


def foresee(dispatch: Dispatch, choice: str) -> Foreseen:
    """What sending it again would do now."""
    status = DispatchStatus(dispatch.status)
    if status not in WHAT_IT_MEANS:
        return Foreseen(dispatch.version, why_not="It is on its way already.")
    where = "e-mail address" if dispatch.channel == Channel.EMAIL else "push address"
    parts = [
        Part("What happens", [f"It is sent to the {where} that the customer has now.",
                              "It bears the same id as before."]),
        Part("What the customer sees", [WHAT_IT_MEANS[status]]),
    ]  # fmt: skip
    return Foreseen(dispatch.version, parts=parts)


def carry_out(dispatch: Dispatch, given: Given) -> Outcome:
    """Queue it."""
    send_again(
        dispatch_id=dispatch.pk, version=given.version, actor=given.actor, reason=given.reason
    )
    return Outcome("It is queued, and sent within seconds; this page then tells what came of it.")


SEND_AGAIN = Act(
    name="resend",
    label="Send again",
    sentence="Sends the message to the customer once more.",
    icon="forward_to_inbox",
    permission="resend_dispatch",
    preview=foresee,
    carry_out=carry_out,
)
