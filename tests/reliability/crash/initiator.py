"""Starts one saga of a scenario in a process of its own:
`python -m tests.reliability.crash.initiator "confirmed by card"`."""

import sys

import django


def main(name: str) -> None:
    """Start it as a web process does, and say goodbye to Kafka properly."""
    from apps.messaging.failpoints import arm
    from apps.messaging.relay import relay
    from tests.reliability.crash.scenarios import SCENARIOS

    arm()
    [scenario] = [each for each in SCENARIOS if each.name == name]
    scenario.begin()
    relay(scenario.way.owner).producer.flush(10)


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1])
