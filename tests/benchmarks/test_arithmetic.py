"""The arithmetic of the benchmarks; what they measure is no matter for a test."""

import pytest

from apps.contracts.plan import Mode
from benchmarks.environment import refuse_real_data
from benchmarks.errors import GotWorse, NotForBenchmarks
from benchmarks.figures import Point, Quota, Run, p50, p99, percentile, rate
from benchmarks.load import Flow, split
from benchmarks.options import options_from
from benchmarks.peer import Peer, Setting
from benchmarks.ratios import AT_REST, OF_FLOOR, OF_PEER, guard, ratios
from benchmarks.rows import statement


def run_of(sagas: int, seconds: float, latencies: tuple[float, ...] = (0.1,)) -> Run:
    return Run(sagas, seconds, latencies, {"orders": 0.5, "sagas": 1.0}, 170, 0.9, 0.8)


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 50.0), (99, 99.0), (99.5, 100.0), (100, 100.0), (0, 1.0)]
)
def test_a_percentile_is_one_of_the_values(percent, value):
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == value


def test_the_percentile_of_one_value_is_that_value():
    assert percentile([7.0], 99) == 7.0


def test_a_quota_hands_out_whole_rows_that_make_up_the_rate():
    quota = Quota(1 / 3)
    assert [quota.take(1) for _ in range(7)] == [0, 0, 1, 0, 0, 1, 0]
    assert quota.take(200) == 67  # 207 thirds are 69, of which two were given


def test_a_point_tells_the_median_and_the_spread_of_its_runs():
    point = Point([run_of(10, 2.0), run_of(10, 1.0), run_of(10, 5.0)])
    assert point.median(rate) == 5.0
    assert point.spread(rate) == (2.0, 10.0)
    assert point.cpu_per_saga() == {"orders": 50.0, "sagas": 100.0}


def test_a_point_as_json_is_in_milliseconds():
    told = Point([run_of(10, 2.0, (0.25, 0.5, 0.125))]).as_json()
    assert (told["sagas_per_second"], told["p50_ms"], told["p99_ms"]) == (5.0, 250.0, 500.0)
    assert told["messages_per_saga"] == 17.0


def test_latencies_are_those_of_each_saga_and_the_time_is_that_of_all():
    flow = Flow({"a": 1.0, "b": 2.0}, {"b": 2.5, "a": 4.0, "of another run": 9.0})
    assert sorted(flow.latencies) == [0.5, 3.0]
    assert flow.seconds == 3.0
    run = run_of(2, flow.seconds, tuple(flow.latencies))
    assert (p50(run), p99(run)) == (0.5, 3.0)


@pytest.mark.parametrize(
    ("total", "parts", "shares"), [(10, 3, [4, 3, 3]), (2, 3, [1, 1, 0]), (9, 3, [3, 3, 3])]
)
def test_sagas_are_split_evenly_among_generators(total, parts, shares):
    assert split(total, parts) == shares


def test_all_rows_of_a_batch_are_written_by_one_statement():
    sql = statement(["log", "stock"], ["stock"])
    assert sql.count("INSERT INTO ") == 3
    assert sql.count("UPDATE stock_moving") == 1
    assert sql.count("%b") == 1 + 3 + 2 * 3 + 2


def test_a_database_that_may_be_somebodys_is_refused():
    refuse_real_data("postgresql://me@127.0.0.1:5432/test_saga_orders")
    with pytest.raises(NotForBenchmarks, match="'saga_orders' is not named as one for tests"):
        refuse_real_data("postgresql://me@127.0.0.1:5432/saga_orders")


def test_the_command_line_chooses_points_and_systems():
    options = options_from(["--concurrency", "8,open", "--only", "choreographed,dbos"])
    assert (options.points, options.systems) == (("8", "open"), ("choreographed", "dbos"))
    assert options_from([]).must_be_durable
    assert options_from([]).systems == (
        "choreographed", "floor-choreographed", "orchestrated", "floor-orchestrated", "dbos",
    )  # fmt: skip


def test_a_system_that_is_not_measured_is_refused(capsys):
    with pytest.raises(SystemExit):
        options_from(["--only", "choreographed,temporal"])
    assert "temporal: not among" in capsys.readouterr().err


# --- ratios


def measured(rate: float, p50_ms: float = 10.0) -> dict[str, Point]:
    """A system with so many sagas per second, and that median alone."""
    run = run_of(100, 100 / rate, (p50_ms / 1000,))
    return {"1": Point([run]), "open": Point([run])}


def test_each_mode_is_told_by_its_floor_and_by_the_peer():
    points = {
        "choreographed": measured(300, p50_ms=10),
        "floor-choreographed": measured(500),
        "orchestrated": measured(200, p50_ms=40),
        "dbos": measured(20, p50_ms=20),
    }
    told = {(each.mode, each.kind.what): round(each.value, 3) for each in ratios(points)}
    assert told == {
        (Mode.CHOREOGRAPHED, OF_FLOOR.what): 0.6,
        (Mode.CHOREOGRAPHED, OF_PEER.what): 15.0,
        (Mode.CHOREOGRAPHED, AT_REST.what): 2.0,
        (Mode.ORCHESTRATED, OF_PEER.what): 10.0,
        (Mode.ORCHESTRATED, AT_REST.what): 0.5,
    }


def test_what_was_not_measured_has_no_ratio():
    assert list(ratios({"choreographed": measured(300)})) == []


def test_the_guard_lets_pass_what_is_good_and_names_what_has_got_worse():
    least = OF_FLOOR.least[Mode.ORCHESTRATED]
    good = {"orchestrated": measured(1000 * least), "floor-orchestrated": measured(1000)}
    guard(good)
    with pytest.raises(GotWorse, match="orchestrated: sagas/s, as a share of its floor's"):
        guard({**good, "floor-orchestrated": measured(1100)})


# --- the peer


def test_sagas_in_flight_are_shared_by_the_processes_that_suit_the_peer(tmp_path):
    peer = Peer(tmp_path, best=Setting(3, 4))
    settings = {point: peer.setting_at(point) for point in ("1", "8", "64", "open")}
    assert settings == {
        "1": Setting(1, 1),
        "8": Setting(2, 4),
        "64": Setting(2, 32),
        "open": Setting(3, 4),
    }
