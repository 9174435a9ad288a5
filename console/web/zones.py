"""The reader's time zone, as her browser says it in a cookie; UTC for whoever does not say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, has_request_context, request
from markupsafe import Markup

LONGEST = 60


_of_reader: ContextVar[tzinfo | None] = ContextVar("zone", default=None)


def zone() -> tzinfo:
    known = _of_reader.get()
    if known is not None:
        return known
    return _zone(request.cookies.get("tz", "")[:LONGEST]) if has_request_context() else UTC


@contextmanager
def read_in(reader: tzinfo) -> Iterator[None]:
    """For what is written outside of her request."""
    before = _of_reader.set(reader)
    try:
        yield
    finally:
        _of_reader.reset(before)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name not in ("", "UTC", "Etc/UTC") else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):  # ValueError: a path; OSError: a directory
        return UTC


def zone_name() -> str:
    return str(getattr(zone(), "key", "UTC")).replace("_", " ")


def local(moment: datetime) -> datetime:
    return moment.astimezone(zone())


def local_time(moment: datetime) -> Markup:
    """To the millisecond in the reader's zone; UTC on hover, and for machines."""
    reader = zone()
    here = moment.astimezone(reader)
    text = here.isoformat(timespec="milliseconds")[11:23]
    if here.date() != datetime.now(reader).date():
        text = f"{here.day} {here:%b} {text}"
    exact = moment.astimezone(UTC).isoformat(" ", "milliseconds")[:23]
    # a page of records has a hundred of them, and these are digits and the name of a month
    return Markup(f'<time datetime="{moment.isoformat()}" title="{exact} UTC">{text}</time>')  # noqa: S704


def install(app: Flask) -> None:
    app.add_template_filter(local)
    app.add_template_filter(local_time)
    app.add_template_global(zone_name)
