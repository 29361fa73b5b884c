"""Alerts: what a person should look at now, from `saga-alerts` to log, mail and webhook."""

from apps.ops.alerts.reader import ATTEMPTS, AlertReader, run_together
from apps.ops.alerts.ways import WAYS, Way, chosen_ways
from apps.ops.alerts.words import Alert, alert_of

__all__ = [
    "ATTEMPTS", "WAYS", "Alert", "AlertReader", "Way", "alert_of", "chosen_ways", "run_together",
]  # fmt: skip
