#!/usr/bin/env python
"""Sagaplatform's administrative commands."""

import os
import sys


def main() -> None:
    from sagaplatform.env import load_local_environment

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    load_local_environment()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
