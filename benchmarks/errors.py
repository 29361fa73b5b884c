"""Why a benchmark cannot be run, or its figures cannot be believed."""


class BenchmarkError(Exception):
    """Something that the caller can mend."""


class NotDurable(BenchmarkError):
    """The figures would be worth nothing: a commit here is not on disk, or a message not acked."""

    def __init__(self, where: str, setting: str, found: object) -> None:
        super().__init__(
            f"{where}: {setting} is {found}. Durable settings only; see --not-durable."
        )


class NotForBenchmarks(BenchmarkError):
    """The benchmark empties its databases."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"The benchmark empties its databases, and {database!r} is not named as one for tests "
            "(test_… or bench_…). Run it by `make bench`."
        )


class SagasStandStill(BenchmarkError):
    """No saga has ended for a long time."""

    def __init__(self, ended: int, wanted: int, logs: object) -> None:
        super().__init__(f"{ended} of {wanted} sagas ended, then none. Look at the logs in {logs}.")


class WrongOutcome(BenchmarkError):
    """What was measured is not what should have happened."""


class PeerDied(BenchmarkError):
    """A process of the peer ended before its sagas did."""

    def __init__(self, log: object) -> None:
        super().__init__(f"A process of the peer ended before its sagas did. Look at {log}.")


class GotWorse(BenchmarkError):
    """A ratio is below what it was, and some way."""
