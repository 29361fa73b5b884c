"""The whole platform in one thread, driven by a seed: what happens, when, and what goes wrong.

Simulated are the bus (Kafka's clients), the clock (Python's and PostgreSQL's) and the payment
gateway. All else is the shipped code on the real databases: relay, consumers, barrier, handlers,
engine, watchdogs, intents, workers, operations, parking. A seed is a run: the same seed gives the
same run, event by event, so that whatever is found can be found again.

    python -m tests.reliability.simulation --seed 7          one run, told event by event
    python -m tests.reliability.simulation --seeds 5000      a campaign

`simulation.py` says what can happen, `chance.py` how often, `laws.py` what must hold.
"""
