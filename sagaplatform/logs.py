"""Structured logs: one line per event, JSON for machines or text for people."""

import logging.config
from typing import Any

import structlog

from apps.messaging.logs import add_message_at_hand
from sagaplatform.redaction import redact

# Django's own handlers, which would print beside ours what reaches the root anyway.
ONLY_OURS: dict[str, Any] = {"handlers": [], "propagate": True}


def configure(options: dict[str, Any]) -> None:
    """Send the logs of Django, of libraries and of ours through structlog to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_message_at_hand,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    json = options["format"] == "json"
    renderer = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            renderer,
        ],
    }
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "loggers": {
            "django": {**ONLY_OURS, "level": "INFO"},
            "django.server": {**ONLY_OURS, "level": "INFO"},
            "axes": {"level": "WARNING"},  # of wrong passwords, not of each that is right
            "stripe": {"level": "WARNING"},  # what it debugs are whole answers, secrets included
            # It tells of addresses in full, and a webhook's is a secret.
            "urllib3": {"level": "CRITICAL"},
            # That traces cannot be sent is told once, by who sends them (tracing.py), and a full
            # queue is what follows from it.
            "opentelemetry.exporter": {"level": "CRITICAL"},
            "opentelemetry.sdk": {"level": "ERROR"},
        },
        "root": {"handlers": ["stderr"], "level": options["level"]},
    })  # fmt: skip
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
