#!/usr/bin/env python
"""Sagaplatform's administrative commands."""

import os
import sys


def main() -> None:
    from environs import EnvError

    from sagaplatform.env import load_local_environment

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    load_local_environment()
    from confluent_kafka import KafkaException
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(f"{error}. Start the local stack with `make up`, or see .env.example.")
    except (OperationalError, KafkaException) as error:
        sys.exit(f"A server does not answer: {error}\nStart the local stack with `make up`.")


if __name__ == "__main__":
    main()
