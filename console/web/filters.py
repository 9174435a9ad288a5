"""How times and numbers are written. Figures: 1.2 M, 99.2 %, 4,965 ms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from markupsafe import Markup, escape

from ..db import now
from ..logs.store import moment_of

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def distance(gap: timedelta) -> str:
    """``3 min``, ``2 h``, ``53 days``."""
    seconds = int(abs(gap).total_seconds())
    if seconds >= 2 * 86400:
        return f"{seconds // 86400} days"
    size, unit = next(((s, u) for s, u in UNITS if seconds >= s), (1, "s"))
    return "1 day" if unit == "d" else f"{seconds // size} {unit}"


def ago(moment: datetime | None) -> Markup | str:
    """Relative, with the exact time on hover and for machines."""
    if moment is None:
        return "never"
    gap = now() - moment
    words = (
        "just now"
        if abs(gap) < timedelta(seconds=5)
        else f"{distance(gap)} ago"
        if gap > timedelta()
        else f"in {distance(timedelta(seconds=5) - gap)}"  # what lasts an hour still does just after
    )
    return _time(moment, words)


def day(moment: datetime | None) -> Markup | str:
    return _time(moment, f"{moment.day} {moment:%b %Y}") if moment else ""


def clock(moment: datetime) -> Markup:
    """To the millisecond, for log rows."""
    text = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
    return _time(moment, text if moment.date() == now().date() else f"{moment.day} {moment:%b} {text}")


def exact(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _time(moment: datetime, words: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(), exact(moment), words)


def figure(number: float) -> str:
    """``48.2 M``; below ten thousand with a comma."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            scaled = number / (1e3 if unit == "k" else size)
            return f"{scaled:.1f} {unit}" if scaled < 100 else f"{scaled:.0f} {unit}"
    return f"{number:,.0f}"


def share(part: float, whole: float) -> str:
    """``99.2 %``; next to nothing and next to all are not rounded away."""
    if not whole:
        return "–"
    if part in (0, whole):
        return "0 %" if not part else "100 %"
    percent = min(99.99, max(0.01, 100 * part / whole))
    return f"{percent:.1f} %" if 0.1 <= percent < 99.95 else f"{percent:.2f} %"


def spaced(span: str) -> str:
    """``24h`` as ``24 h``."""
    return re.sub(r"(?<=\d)(?=[a-z])", " ", span).replace(" m", " min")


def ms(microseconds: float) -> str:
    value = microseconds / 1000
    return f"{value:,.1f} ms" if value < 10 else f"{value:,.0f} ms"


def size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:,.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def query(parameters: Mapping[str, Any]) -> str:
    """``a=1&b=2&``, ready for one more parameter."""
    text = urlencode(parameters, doseq=True)
    return text + "&" if text else ""


def ticks(text: str) -> Markup:
    """``a`b`c``: what stands in backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is one that was meant
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def without(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The others of them that say something."""
    return {key: value for key, value in parameters.items() if key != name and value}


def install(app: Flask) -> None:
    app.add_template_global(moment_of)
    for function in (ago, day, clock, exact, figure, share, spaced, ms, size, plural, distance, query, ticks, without):
        app.add_template_filter(function)
