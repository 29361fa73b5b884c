from tests.reliability.simulation.conftest import world

__all__ = ["world"]
