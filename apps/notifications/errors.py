"""What should not happen in notifications, and what a person is told who acts too late."""

from apps.messaging.errors import MessagingError


class NoSuchDispatch(MessagingError):
    """There is no message of that id on its way. Look at the list of dispatches."""


class DispatchMoved(MessagingError):
    """Somebody, or the mail server, changed it since you looked. Look at it again, then decide."""


class DispatchUnderWay(MessagingError):
    """It is on its way already: wait until its outcome is known. Nothing was changed."""


class NoContact(MessagingError):
    """The customer has no such address. Nothing was changed."""
