"""Prints .env.example from the table of settings, so that the file never says anything else."""

import textwrap
from collections.abc import Sequence
from typing import Any

from django.core.management import BaseCommand

from sagaplatform.env import SETTINGS, Setting

HEAD = """\
# All settings that the environment gives. Written by `manage.py env_example > .env.example`
# from the table in sagaplatform/env.py; change them there.
#
# A line without # must be given; the others show their defaults. A database is given as
# postgresql://role:password@host:5432/name, and a process needs only those that it uses.
# `make up` needs none of this; what compose.yaml needs is written by docker/secrets.sh.
"""
WIDTH = 100


class Command(BaseCommand):
    help = "Print .env.example: every setting with its meaning and default."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(example(SETTINGS), ending="")


def example(settings: Sequence[Setting]) -> str:
    """The file's text."""
    return "\n".join([HEAD, *map(paragraph, settings)])


def paragraph(setting: Setting) -> str:
    """Its meaning as a comment, and a line to fill in."""
    meaning = textwrap.fill(
        setting.meaning, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
    )
    if setting.default is None:
        return f"{meaning} (must be given)\n{setting.name}=\n"
    return f"{meaning}\n#{setting.name}={as_text(setting.default)}\n"


def as_text(value: object) -> str:
    """A default as it is written in the environment."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)
