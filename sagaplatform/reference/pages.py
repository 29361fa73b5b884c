"""Which pages there are."""

from collections.abc import Callable
from pathlib import Path

from sagaplatform.reference.commands_page import commands_page
from sagaplatform.reference.messages_page import messages_page
from sagaplatform.reference.metrics_page import metrics_page
from sagaplatform.reference.settings_page import settings_page

FOLDER = Path(__file__).parent.parent.parent / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "messages.md": messages_page,
}
