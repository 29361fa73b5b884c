"""Starts one saga of a scenario in a process of its own:
`python -m tests.reliability.crash.initiator "confirmed by card"`; with `wish` behind it, wishes to
cancel the order that is under way."""

import sys

import django


def main(name: str, *wish: str) -> None:
    """Do it as a web process does, and say goodbye to Kafka properly."""
    from apps.messaging.failpoints import arm
    from apps.messaging.relay import relay
    from tests.reliability.crash.scenarios import SCENARIOS, wish_to_cancel

    arm()
    [scenario] = [each for each in SCENARIOS if each.name == name]
    (wish_to_cancel if wish else scenario.begin)()
    relay(scenario.way.owner).producer.flush(10)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
