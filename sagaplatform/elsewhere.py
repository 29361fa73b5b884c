"""Commands of apps that this deployment does not have: Django would only say that it knows none."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).parent.parent


def refuse_what_is_elsewhere(arguments: Sequence[str]) -> None:
    """End the process with a sentence where the command is one of ours and its app is not here."""
    for name in arguments[:1]:
        if app := _app_elsewhere(name):
            raise SystemExit(
                f"`{name}` is a command of {app}, which is not installed here: SAGA_CONTEXTS is"
                f" {','.join(settings.CONTEXTS)}. Run it where the contexts that it needs are."
            )


def _app_elsewhere(command: str) -> str | None:
    bringing = ROOT.glob("*/*/management/commands/*.py")
    apps = {path.stem: ".".join(path.relative_to(ROOT).parts[:2]) for path in bringing}
    app = apps.get(command)
    return None if app in settings.INSTALLED_APPS else app
