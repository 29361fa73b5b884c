"""What the platform consists of, process by process. THE place to add one."""

from dataclasses import dataclass

from sagaplatform.stack.environment import CONTEXTS


@dataclass(frozen=True)
class Process:
    """A process of the platform. `$NAME` in a command is a variable of app.env, `{home}` where the
    stack keeps its things; `python` and what else is installed there is taken from the virtual
    environment."""

    name: str
    command: str
    patience: int = 20  # seconds to finish what it is doing when asked to stop


WEB = Process(
    "web",
    "gunicorn sagaplatform.wsgi:application --bind 127.0.0.1:$WEB_PORT"
    " --worker-class gthread --workers 1 --threads 16 --graceful-timeout 10 --no-control-socket",
)
CONSUMERS = tuple(Process(name, f"python manage.py run_consumer {name}") for name in CONTEXTS)
WORKER = Process("worker", "python manage.py run_worker", patience=30)  # as long as a call takes
BEAT = Process("beat", "python manage.py run_beat")
WATCHDOG = Process("watchdog", "python manage.py run_watchdog")
ALERTS = Process("alerts", "python manage.py run_alerts")
PLATFORM = (WEB, *CONSUMERS, WORKER, BEAT, WATCHDOG, ALERTS)
