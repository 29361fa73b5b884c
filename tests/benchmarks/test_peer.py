"""The benchmark's peer still carries out the saga that the platform carries out today."""

from pathlib import Path

from benchmarks import peer_tables
from benchmarks.environment import Owners
from benchmarks.load import OPEN
from benchmarks.peer import Peer, Setting


def test_the_peer_does_each_step_of_each_saga(databases: Owners, tmp_path: Path) -> None:
    peer_tables.create(databases)
    try:
        with Peer(tmp_path, best=Setting(processes=1, threads=2)) as peer:
            flow = peer.load(OPEN, sagas=6).run()

        assert len(flow.latencies) == 6
        peer_tables.check_outcome(databases, peer.carried_out)
    finally:
        peer_tables.drop(databases)
