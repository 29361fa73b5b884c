"""What can go wrong in the messaging layer. A docstring is the error's message."""

from typing import Any

import msgspec

# What reading JSON raises that is wrong, not text, or nested deeper than anybody needs.
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def sentence_of(error: BaseException) -> str:
    """What its docstring says to people, in one line; empty where it has none."""
    return " ".join((error.__doc__ or "").split())


class MessagingError(Exception):
    """Something is wrong with a message or the way it is sent."""

    def __init__(self, **facts: Any) -> None:
        for name, value in facts.items():
            setattr(self, name, value)
        message = sentence_of(self)
        told = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        super().__init__(f"{message} ({told})" if told else message)


class AskedInVain(Exception):
    """The outside world has answered, and settled nothing: it is asked again later, and is well."""


class OutsideTransaction(MessagingError):
    """A message is published only inside a transaction on its context's own connection: wrap the
    write in transaction.atomic(using=<the context's database>). A bare atomic() covers only
    `default`."""


class UnreadableMessage(MessagingError):
    """The headers or the payload cannot be read. Compare them with the golden schema of the type,
    then send the message again or discard it."""


class UnknownMessage(MessagingError):
    """No code here knows this type and version of message. Deploy the code that does, then
    replay."""


class NoHandler(MessagingError):
    """This context has no handler for a command that it was sent. Correct the definition or
    declare the handler in the context's handlers module, then replay."""


class WrongAnswer(MessagingError):
    """A handler returned what its request does not allow: a compensation is answered by its own
    Undone event, an action by any other event. That an undo is refused is told only by the outcome
    of a call outside; a handler that cannot undo raises."""


class RivalMovedFirst(MessagingError):
    """Another transaction changed what this one had read; the batch is applied again."""


class NothingToReplay(MessagingError):
    """There is no open parked message of that id: it was settled, or never was. Look at the list of
    those that are open."""


class LetterMoved(MessagingError):
    """The parked message has changed since you looked at it. Look at it again, then decide."""


class NothingAlike(MessagingError):
    """No message with that fingerprint is parked here. Look at the groups that are."""


class NoSuchLetter(MessagingError):
    """There is no dead letter of that id in this context. Look at the list, and at the context."""


class EditRefused(MessagingError):
    """The corrected message was not sent, and nothing was changed. Correct what is named here, then
    try again."""


class ReasonMissing(MessagingError):
    """Give a reason, in words: whoever reads the audit later must understand why this was done."""


class TopicsMissing(MessagingError):
    """Kafka lacks topics that this process needs: run `manage.py create_topics` where the contexts
    are that they belong to."""


class CodeLacks(MessagingError):
    """This code lacks what rows of its context still need. It did not start, and nothing was
    changed. Deploy the code that has it, beside this or in its place."""


class SessionTimeoutTooLong(MessagingError):
    """The broker lets a dead consumer keep its partitions for longer than half a minute: set
    group.consumer.session.timeout.ms (and .min.) to 6000 and the heartbeat interval to 1500."""
