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
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from sagaplatform.elsewhere import refuse_what_is_elsewhere

    try:
        refuse_what_is_elsewhere(sys.argv[1:])
        execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(f"{error}. Set it as .env.example says; for a local stack `make up` sets all.")
    except ImproperlyConfigured as error:
        sys.exit(
            f"What this needs is not configured here: {error}\nA command about users, flags or the"
            " schedule needs DATABASE_URL_DEFAULT: give it, or run the command where it is. One of"
            " Django's takes that database unless you name another database with --database."
        )
    except OperationalError as error:
        sys.exit(
            f"A database does not answer: {error}\nStart it, or correct its DATABASE_URL_…."
            " A local stack is started by `make up`."
        )
    except KafkaException as error:
        sys.exit(
            f"Kafka refuses or does not answer: {error}\nStart its brokers, correct"
            " KAFKA_BOOTSTRAP_SERVERS, or run `manage.py create_topics`. A local stack is started"
            " by `make up`."
        )


if __name__ == "__main__":
    main()
