"""A stand-in for the platform: the commands that the stack calls, without Django."""

import os
import signal
import sys
import time

import psycopg

CREATE = "CREATE TABLE IF NOT EXISTS thing (id bigint GENERATED ALWAYS AS IDENTITY, name text)"


def migrate_all() -> None:
    if os.environ["DATABASE_ROLE"] != "owner":
        sys.exit("migrations need the owner's role")
    for name, url in os.environ.items():
        if name.startswith("DATABASE_OWNER_URL_"):
            with psycopg.connect(url) as connection:
                connection.execute(CREATE)


def create_topics() -> None:
    if not os.environ["KAFKA_BOOTSTRAP_SERVERS"]:
        sys.exit("no Kafka")


def open_demo_shop() -> None:
    sys.stdout.write("Login     agent / stand-in\n")


def run_consumer() -> None:
    name = sys.argv[2]
    if any(variable.startswith("DATABASE_OWNER_URL_") for variable in os.environ):
        sys.exit("a run-time process must not know the owners' passwords")
    psycopg.connect(os.environ[f"DATABASE_URL_{name.upper()}"]).close()
    wait_for_the_end()


def run_worker() -> None:
    wait_for_the_end()


def run_beat() -> None:
    wait_for_the_end()


def wait_for_the_end() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(1)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
