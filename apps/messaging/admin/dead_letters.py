"""Parked messages in the admin, put together: a list to find one, its page, the groups.

The services are those of the terminal: apps.messaging.dead_letter_operations.
"""

from apps.messaging.admin.letter_editing import LetterEditing
from apps.messaging.admin.letter_groups import LetterGroups
from apps.messaging.admin.letter_listing import LetterListing


class DeadLetterAdmin(LetterEditing, LetterListing, LetterGroups):
    """Messages that could not be handled, and those that wait behind one."""

    @property
    def context_name(self) -> str:
        """Of the context that registers it: its app, its database, its topics."""
        return self.model._meta.app_label
