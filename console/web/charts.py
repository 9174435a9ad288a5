"""Charts as SVG from the server: geometry in attributes, colour in classes, the finding as the label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode

from flask import Flask
from markupsafe import Markup, escape

from ..logs.histogram import Bucket
from ..logs.traffic import Traffic
from .filters import figure, plural

HEIGHT, BOTTOM, LEFT = 170, 22, 38


def install(app: Flask) -> None:
    from .stacks import stacked

    app.add_template_global(bars)
    app.add_template_global(stacked)
    app.add_template_global(strip)
    app.add_template_global(share_bar)
    app.add_template_global(ring)


def bars(
    buckets: Sequence[Bucket],
    since: datetime,
    until: datetime,
    *,
    height: int = HEIGHT,
    width: int = 760,
    link: str = "",
) -> Markup:
    """Requests over time, by class; drawn twice so that the labels keep their size on phones.

    ``link``: the address of their records; then each bar leads to those of its time.
    """
    ends = [*(b.start for b in buckets[1:]), until]
    times = [(b.start, end) for b, end in zip(buckets, ends, strict=True)] if buckets and link else []
    links = [_link(*one) for one in zip(_of_steps(link, times), buckets, strict=False)]
    desk, phone = (
        _bars(buckets, since, until, size, height, cls, links) for size, cls in ((width, "desk"), (330, "phone"))
    )
    return desk + phone


def _of_steps(link: str, steps: list[tuple[datetime, datetime]]) -> list[str]:
    """The address with the times of each step in place of its range."""
    path, _, said = link.partition("?")
    kept = [(name, value) for name, value in parse_qsl(said) if name not in ("range", "since", "until", "before")]
    before = f"{path}?{urlencode(kept)}{'&' if kept else ''}"
    return [f"{before}since={_address_of(start)}&until={_address_of(end)}" for start, end in steps]


def _address_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19].replace(":", "%3A") + "Z"


def _bars(
    buckets: Sequence[Bucket],
    since: datetime,
    until: datetime,
    width: int,
    height: int,
    cls: str,
    links: Sequence[tuple[str, str]],
) -> Markup:
    most = max((b.total for b in buckets), default=0)
    top = round_up(most)
    plot, step = height - BOTTOM - 8, (width - LEFT) / max(1, len(buckets))
    out = [grid(top, plot, width)]
    for i, bucket in enumerate(buckets):
        if not bucket.is_counted:
            out.append(_unknown(LEFT + i * step, step, plot))
        y = 8.0 + plot
        for kind, count in (("f-5", bucket.failed), ("f-4", bucket.refused), ("f-ok", bucket.ok)):
            if count:
                size = max(1.0, count / top * plot)
                y -= size
                out.append(
                    f'<rect class="{kind}" x="{LEFT + i * step:.1f}" y="{y:.1f}" width="{max(step - 1, 0.8):.1f}" height="{size:.1f}"/>'
                )
        if links:
            out.append(_target(*links[i], LEFT + i * step, step, plot))
    out.append(_axis(since, until, width, height))
    label = _finding(buckets, since, until)
    body = "".join(out)
    return Markup('<svg class="ch {}" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        cls,
        width,
        height,
        "group" if links else "img",  # what can be clicked has no place in an image
        label,
        Markup(body),  # noqa: S704 - numbers and class names of ours only
    )


def _link(address: str, bucket: Bucket) -> tuple[str, str]:
    """Where it leads, and what it says, for both charts."""
    words = f"{bucket.start:%d %b %H:%M}: {plural(bucket.total, 'request')}, {bucket.refused:,} refused, {bucket.failed:,} failed"
    return escape(address), escape(words)


def _target(address: str, words: str, x: float, step: float, plot: float) -> str:
    """The whole column can be clicked; it is no stop of the tab key, because the same figures stand in a table."""
    area = f'<rect class="hit" x="{x:.1f}" y="8" width="{step:.1f}" height="{plot:.1f}"><title>{words}</title></rect>'
    return f'<a href="{address}" tabindex="-1" aria-hidden="true">{area}</a>'


def _unknown(x: float, step: float, plot: float) -> str:
    return f'<rect class="f-track" x="{x:.1f}" y="8" width="{step:.1f}" height="{plot:.1f}"/>'


def grid(top: int, plot: float, width: int, above: int = 8) -> str:
    lines = []
    for part in (0, 0.5, 1):
        y = above + plot * (1 - part)
        lines.append(f'<line class="g" x1="{LEFT}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        value = top * part
        text = f"{value:g}" if top < 10 else figure(value)
        lines.append(f'<text class="ax" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    return "".join(lines)


def _axis(since: datetime, until: datetime, width: int, height: int) -> str:
    span = until - since
    count = 5 if width > 400 else 3
    form = "%H:%M" if span <= timedelta(days=2) else "%d %b"
    labels = []
    for i in range(count):
        x = LEFT + (width - LEFT) * i / count
        text = (since + span * i / count).strftime(form).lstrip("0" if form[1] == "d" else "")
        labels.append(f'<text class="ax" x="{x:.0f}" y="{height - 5}">{text}</text>')
    end = "now" if _is_now(until) else until.strftime(form)
    return "".join(labels) + f'<text class="ax strong" x="{width}" y="{height - 5}" text-anchor="end">{end}</text>'


def _is_now(until: datetime) -> bool:
    return abs((datetime.now(until.tzinfo) - until).total_seconds()) < 120


def round_up(value: int) -> int:
    size = 1
    while value > size * 10:
        size *= 10
    return next((size * k for k in (1, 2, 4, 5, 6, 8, 10) if size * k >= value), 10) or 1


def _finding(buckets: Sequence[Bucket], since: datetime, until: datetime) -> str:
    total, failed = sum(b.total for b in buckets), sum(b.failed for b in buckets)
    refused = sum(b.refused for b in buckets)
    return f"{plural(total, 'request')} from {since:%d %b %H:%M} to {until:%d %b %H:%M} {since:%Z}, {refused:,} refused, {failed:,} failed"


def strip(hours: Sequence[Traffic]) -> Markup:
    """Health hour by hour: good ones faded, none grey, some failures amber, many red."""
    requests, errors = sum(h.requests for h in hours), sum(h.errors for h in hours)
    label = f"{plural(requests, 'request')} in {len(hours)} hours, {errors:,} failed" if requests else "No calls yet"
    return _strip(tuple(map(_kind, hours)), label)


def _kind(hour: Traffic) -> str:
    share = hour.errors / hour.requests if hour.requests else 0
    return "f-track" if not hour.requests else "f-okk soft" if share < 0.005 else "f-warn" if share < 0.05 else "f-bad"


@lru_cache(maxsize=128)  # of many versions the same, those that nobody calls
def _strip(kinds: tuple[str, ...], label: str) -> Markup:
    rects = [f'<rect class="{kind}" x="{i * 7}" y="0" width="6" height="16" rx="1"/>' for i, kind in enumerate(kinds)]
    return Markup(
        '<svg class="strip" viewBox="0 0 {} 16" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(
        len(kinds) * 7 - 1,
        label,
        Markup("".join(rects)),  # noqa: S704 - numbers and class names of ours only
    )


def share_bar(part: float, whole: float, kind: str = "f-info") -> Markup:
    width = 100 * part / whole if whole else 0
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="f-track" width="100" height="6"/><rect class="{}" width="{:.1f}" height="6"/></svg>'
    ).format(kind, width)


def ring(score: int, tone: str) -> Markup:
    """A score of 0 to 100 as a ring that begins at the top; ``tone``: ok, warn or bad."""
    return Markup(
        '<svg class="score-ring" viewBox="0 0 96 96" role="img" aria-label="Score {} of 100">'
        '<circle class="score-t" cx="48" cy="48" r="42"/><circle class="score-v t-{}" cx="48" cy="48" r="42" pathLength="100"'
        ' stroke-dasharray="{} 100" transform="rotate(-90 48 48)"/>'
        '<text class="score-d" x="48" y="57" text-anchor="middle">{}</text></svg>'
    ).format(score, tone, score, score)
