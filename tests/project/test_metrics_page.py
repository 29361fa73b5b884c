"""What is told of the metrics is what there is: the page, and the example rules."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django_prometheus import middleware
from prometheus_client import REGISTRY

from apps.messaging import metrics as messaging
from apps.messaging.gauges import MEASURES
from apps.messaging.scrape import ERRORS, LAG
from apps.notifications import metrics as notifications
from apps.payments import metrics as payments
from apps.payments.metrics import MEASURES as OF_PAYMENTS
from apps.sagas import metrics as sagas
from apps.sagas.metrics import MEASURES as OF_SAGAS
from sagaplatform.metrics import LEFT_OUT, RequestMetrics

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "metrics.md").read_text()
RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
TRIALS = Path(__file__).parent / "alerts.test.yml"
# Of libraries, whether or not anybody counts there.
FOREIGN = ("python_", "process_", "django_model_", "django_migrations_", "django_db_")
MESSAGING_METRICS = (
    messaging.MESSAGES_HANDLED, messaging.MESSAGES_PARKED, messaging.BARRIER_DECISIONS,
    messaging.BATCH_SIZE, messaging.BATCH_SECONDS, messaging.OUTBOX_SWEPT,
)  # fmt: skip
PAYMENT_METRICS = (payments.WEBHOOKS, payments.EVENTS)
NOTIFICATIONS_METRICS = (notifications.DISPATCHES, notifications.BOUNCES)
ALL_MEASURES = (*MEASURES, *OF_SAGAS, *OF_PAYMENTS, *notifications.MEASURES)
SAGA_METRICS = (sagas.STEP_DURATION, sagas.COMPENSATIONS)


def registered() -> set[str]:
    """Every metric that this platform can tell."""
    RequestMetrics.get_instance()
    counted = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
    }
    read = {gauge.name for each in ALL_MEASURES for gauge in each.gauges}
    ours = {name for name in counted if not name.startswith(FOREIGN)}
    return ours | read | {LAG.name, ERRORS.name}


def test_the_page_lists_what_is_registered_and_nothing_else() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert len(listed) == len(set(listed))
    assert set(listed) == registered()


def test_the_page_tells_the_labels() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \|([\w, ]*)\|", PAGE, re.MULTILINE))
    read = [gauge for each in ALL_MEASURES for gauge in each.gauges]
    given = {each.name: list(each.labels) for each in (*read, LAG, ERRORS)}
    counted = SAGA_METRICS + MESSAGING_METRICS + PAYMENT_METRICS + NOTIFICATIONS_METRICS
    given |= {each.describe()[0].name: list(each._labelnames) for each in counted}

    labels = {name.removesuffix("_total"): cell for name, cell in told.items()}
    assert {name: re.findall(r"\w+", labels[name]) for name in given} == given


def test_every_metric_that_the_rules_name_is_there() -> None:
    expressions = " ".join(re.findall(r"expr: (\|?(?:.|\n)*?)\n        for:", RULES.read_text()))
    words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", expressions))
    named = {word.removesuffix("_bucket") for word in words} - {
        "histogram_quantile", "min_over_time",
    }  # fmt: skip

    assert {"sagas_stuck", "saga_oldest_seconds", "kafka_consumer_lag"} <= named
    assert named <= registered()


def test_what_is_left_out_of_django_prometheus_is_what_it_has() -> None:
    names = {family.name for family in REGISTRY.collect()}
    source = Path(middleware.__file__).read_text()
    known = set(re.findall(r'"(django_http_\w+)"', source))

    assert known >= LEFT_OUT
    assert not {name.removesuffix("_total") for name in LEFT_OUT} & names


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def test_promtool_accepts_the_rules(promtool: str) -> None:
    result = subprocess.run(
        [promtool, "check", "rules", str(RULES)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    written = RULES.read_text().count("- alert:")
    assert f"SUCCESS: {written} rules found" in result.stdout


def test_every_rule_speaks_up_in_a_trial() -> None:
    written = re.findall(r"- alert: (\w+)", RULES.read_text())
    tried = re.findall(r"alertname: (\w+)\n +exp_alerts:\n", TRIALS.read_text())

    assert set(tried) == set(written)


def test_the_rules_say_what_they_should(promtool: str, tmp_path: Path) -> None:
    trial = tmp_path / "alerts.test.yml"
    trial.write_text(TRIALS.read_text().replace("RULES", str(RULES)))

    result = subprocess.run(
        [promtool, "test", "rules", str(trial)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout
