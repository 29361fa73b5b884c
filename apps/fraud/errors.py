"""What should not happen in fraud, and what a person is told who decides too late."""

from apps.messaging.errors import MessagingError


class NothingToLift(MessagingError):
    """A check was to be lifted that did not clear the order; compare the saga log with the
    assessments."""


class NoSuchReview(MessagingError):
    """There is no order of that id to decide on. Look at the list of reviews."""


class ReviewClosed(MessagingError):
    """This is decided already, or the order was undone meanwhile: nothing was changed."""


class ReviewMoved(MessagingError):
    """Somebody changed it since you looked. Look at it again, then decide."""


class DeskBusy(MessagingError):
    """At this very moment it is asked for the decision. Nothing was changed; do it again in a few
    seconds."""
