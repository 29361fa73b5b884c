"""What the engine cannot make sense of. Such a message is parked alone; its saga goes on."""

from apps.messaging.errors import MessagingError
from apps.processes.errors import NoDefinition


class UnknownSaga(MessagingError):
    """An answer came for a saga that the engine never started. The engine asks before anybody can
    answer, so its record was lost or the message is from elsewhere: find its order, then discard
    the message."""


class UnexpectedAnswer(MessagingError):
    """The saga's definition has no such answer for what was asked. Compare the participant's
    handler with the definition, then replay."""


class EvidenceMissing(MessagingError):
    """Say how it can be proven: a reference of the bank, a receipt, a ticket."""


class MoveNotAllowed(Exception):
    """A person's move that the saga does not allow now; the message says why, and what to do."""


class SagaMoved(MessagingError):
    """It has changed since you looked: look again, then decide anew."""


class UnknownSagaId(MessagingError):
    """There is no saga of that id: compare it with `manage.py sagas list`, or search for the
    order."""


class UnknownCase(MessagingError):
    """There is no open case of that id: it was settled, or never was."""


class CaseSettlesItself(MessagingError):
    """It leaves the desk when what it is about is settled: retry, resolve or substitute the step,
    or decide about the saga."""


class PauseTooLong(MessagingError):
    """A pause ends in the future, within seven days."""


class AskedAlready(MessagingError):
    """The same has been asked for and waits for another person. Have that decided, or let who asked
    withdraw it."""


class NotOpen(MessagingError):
    """There is no open request of that id: it was decided or withdrawn, or its time is over. Look
    at the saga; what is still wanted can be asked for anew."""


class OwnRequest(MessagingError):
    """You asked for this yourself: another person has to decide it."""


class NotYours(MessagingError):
    """Only who asked for it withdraws it. Others decline it."""


# Why a person's move, or its preview, is refused.
REFUSALS: tuple[type[Exception], ...] = (MessagingError, MoveNotAllowed, NoDefinition)
