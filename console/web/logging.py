"""Structured logs: one JSON object a line on stderr, with the request's number, without a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from ..config import Config

SECRET_NAMES = re.compile(r"pass|secret|token|authorization|cookie|api.?key|credential", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"gw[skniwlp]_[0-9A-Za-z]{20,}(_[0-9A-Za-z]+)?|eyJ[\w-]{8,}(\.[\w-]*)+|(://[^:/@\s]*:)[^@\s/]+@"
)


def install(config: Config) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.log_level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Whatever is logged by mistake is blanked here, by the name of the field and by the look of the text."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = "[removed]"
        elif isinstance(value, str):
            event[name] = blank(value)
    return event


def blank(text: str) -> str:
    return SECRET_TEXT.sub(lambda found: (found[3] or "") + "[removed]", text)
