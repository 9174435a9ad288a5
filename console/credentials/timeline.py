"""The lives of signing keys on one time line: two days back, two days ahead. Geometry in attributes, colour in classes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from .models import KeyState, SigningKey
from .rotation import LINGER_S

SPAN = timedelta(days=4)
ROW, BAR, FOOT = 20, 8, 20
TICKS = (
    (0.0, "2 days ago", "start"),
    (0.25, "yesterday", "middle"),
    (0.5, "now", "middle"),
    (0.75, "tomorrow", "middle"),
    (1.0, "in 2 days", "end"),
)


def timeline(keys: list[SigningKey], now: datetime) -> Markup:
    """Drawn twice, so that the labels keep their size on phones."""
    return _draw(keys, now, 1180, "desk") + _draw(keys, now, 330, "phone")


def _draw(keys: list[SigningKey], now: datetime, width: int, cls: str) -> Markup:
    left, height = 132 if cls == "desk" else 96, len(keys) * ROW + FOOT
    start = now - SPAN / 2

    def x(moment: datetime) -> float:
        return left + (width - left) * min(1.0, max(0.0, (moment - start) / SPAN))

    out = []
    for place, key in enumerate(keys):
        y = place * ROW + 4
        out.append(f'<text class="ax" x="0" y="{y + BAR}">{escape(key.alg)} {escape(key.kid[:7])}</text>')
        for kind, since, until in _periods(key, now + SPAN):
            if x(until) > x(since):
                out.append(
                    f'<rect class="{kind}" x="{x(since):.1f}" y="{y}" width="{x(until) - x(since):.1f}" height="{BAR}" rx="2"/>'
                )
    middle = left + (width - left) / 2
    out.append(f'<line class="today" x1="{middle:.0f}" x2="{middle:.0f}" y1="0" y2="{len(keys) * ROW}"/>')
    for at, text, anchor in TICKS if cls == "desk" else TICKS[::2]:
        strong = " strong" if text == "now" else ""
        spot = left + (width - left) * at
        out.append(f'<text class="ax{strong}" x="{spot:.0f}" y="{height - 5}" text-anchor="{anchor}">{text}</text>')
    label = ", ".join(f"{key.alg} key {key.kid[:7]} is {key.state}" for key in keys)
    return Markup('<svg class="ch {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        cls,
        width,
        height,
        label,
        Markup("".join(out)),  # noqa: S704 - numbers, class names of ours, and escaped ids
    )


def _periods(key: SigningKey, far: datetime) -> Iterable[tuple[str, datetime, datetime]]:
    """Colour, from, until."""
    end = key.revoked_at or key.retired_at or far
    yield "f-info soft", key.created_at, key.activated_at or end
    if key.activated_at:
        yield "f-okk", key.activated_at, key.retiring_at or end
    if key.retiring_at:
        yield "f-warn", key.retiring_at, min(end, key.retiring_at + timedelta(seconds=LINGER_S))
    if key.state == KeyState.REVOKED:
        yield "f-bad", end, end + SPAN / 120
