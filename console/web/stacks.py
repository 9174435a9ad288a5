"""A stack of bars for each day, the biggest layer at the bottom; what is to come is a trend, and dotted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

from .charts import BOTTOM, LEFT, grid, round_up
from .filters import figure, plural, share

TOP, HEIGHT = 22, 200
TREND_DAYS, LEAST_DAYS = 14, 7
AHEAD = 2  # a date that is farther away than so many times the days shown is told, not drawn


@dataclass(frozen=True)
class Layer:
    """``counts``: of each day."""

    name: str
    counts: list[int]
    style: str  # a class of ours

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Stack:
    """``first`` is the first day; the last one is today, and not over. ``end``: the day on which it is to be zero."""

    layers: Sequence[Layer]
    first: date
    days: int
    end: date | None = None

    @property
    def totals(self) -> list[int]:
        return [sum(layer.counts[i] for layer in self.layers) for i in range(self.days)]

    @property
    def total(self) -> int:
        return sum(self.totals)

    def day(self, number: int) -> date:
        return self.first + timedelta(days=number)

    @property
    def today(self) -> date:
        return self.day(self.days - 1)

    @property
    def ahead(self) -> int:
        """Days that are drawn behind today."""
        days = (self.end - self.today).days if self.end else 0
        return days if 0 < days <= AHEAD * self.days else 0

    @property
    def expected(self) -> float | None:
        """Calls on the day of the end, if the last two weeks go on; None: there is no end, or too little to tell by."""
        if not self.end or self.end <= self.today:
            return None
        line = trend(self.totals[:-1])
        return max(0.0, line[0] + line[1] * ((self.end - self.today).days + 1)) if line else None


def trend(counts: Sequence[int]) -> tuple[float, float] | None:
    """The last day's value and what is added each day, by least squares over `TREND_DAYS`; None: there are too few."""
    seen = list(counts)[-TREND_DAYS:]
    n = len(seen)
    if n < LEAST_DAYS or not any(seen):
        return None
    middle, mean = (n - 1) / 2, sum(seen) / n
    slope = sum((i - middle) * (y - mean) for i, y in enumerate(seen)) / sum((i - middle) ** 2 for i in range(n))
    return mean + slope * (n - 1 - middle), slope


def stacked(stack: Stack, *, width: int = 760, height: int = HEIGHT) -> Markup:
    """Drawn twice, so that labels keep their size on phones."""
    return _drawn(stack, width, height, "desk") + _drawn(stack, 330, height, "phone")


def _drawn(stack: Stack, width: int, height: int, cls: str) -> Markup:
    plot, slots = height - BOTTOM - TOP, stack.days + stack.ahead
    step, top = (width - LEFT) / slots, round_up(max(stack.totals, default=0))
    out = [grid(top, plot, width, TOP)]
    for i in range(stack.days):
        out += _bar(stack, i, LEFT + i * step, step, plot, top)
    out += _ahead(stack, step, plot, top, width)
    out += _dates(stack, step, width, height)
    return Markup('<svg class="ch {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        cls,
        width,
        height,
        finding(stack),
        Markup("".join(out)),  # noqa: S704 - numbers, dates and class names of ours only
    )


def _bar(stack: Stack, i: int, x: float, step: float, plot: float, top: int) -> list[str]:
    """Today's is faint: it still grows."""
    out, y, soft = [], TOP + plot, " soft" if i == stack.days - 1 else ""
    wide = step - 1 if step > 4 else step  # pixels; gaps between narrow ones would be half of the picture
    for layer in stack.layers:
        if layer.counts[i]:
            size = max(0.5, layer.counts[i] / top * plot)
            y -= size
            out.append(
                f'<rect class="{layer.style}{soft}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{size:.1f}"/>'
            )
    return out


def _ahead(stack: Stack, step: float, plot: float, top: int, width: int) -> list[str]:
    """Where today is and where the end is, and where the trend leads until then."""
    if not stack.ahead or not stack.end:
        return []
    now, end, bottom = LEFT + stack.days * step, width - 1.0, TOP + plot
    out = [
        f'<line class="today" x1="{now:.1f}" x2="{now:.1f}" y1="{TOP - 6}" y2="{bottom:.1f}"/>',
        f'<text class="ax strong" x="{now:.1f}" y="{TOP - 10}" text-anchor="middle">today</text>',
        f'<line class="mk" x1="{end:.1f}" x2="{end:.1f}" y1="{TOP - 6}" y2="{bottom:.1f}"/>',
        f'<text class="ax strong" x="{width}" y="{TOP - 10}" text-anchor="end">ends {_day(stack.end)}</text>',
    ]
    line, expected = trend(stack.totals[:-1]), stack.expected
    if line and expected is not None:
        y1, y2 = (bottom - min(max(value, 0), top) / top * plot for value in (line[0], expected))
        out.append(f'<line class="prev" x1="{now - step:.1f}" x2="{end:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>')
        tone, words = ("badt", f"≈ {figure(expected)} a day still") if expected >= 1 else ("strong", "≈ none left")
        at = y2 - 8 if y2 > TOP + 14 else y2 + 16
        out.append(f'<text class="ax {tone}" x="{end - 6:.1f}" y="{at:.1f}" text-anchor="end">{words}</text>')
    return out


def _dates(stack: Stack, step: float, width: int, height: int) -> list[str]:
    last = stack.first + timedelta(days=stack.days + stack.ahead - 1)
    every = max(1, (stack.days + stack.ahead) // (5 if width > 400 else 3))
    out = [
        f'<text class="ax" x="{LEFT + i * step:.0f}" y="{height - 5}">{_day(stack.first + timedelta(days=i))}</text>'
        for i in range(0, stack.days + stack.ahead - every // 2 - 1, every)
    ]
    end = _day(last) if stack.ahead else "today"
    return [*out, f'<text class="ax strong" x="{width}" y="{height - 5}" text-anchor="end">{end}</text>']


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def finding(stack: Stack) -> str:
    if not stack.total:
        return f"No calls in {plural(stack.days, 'day')}"
    who = ", ".join(str(escape(f"{one.name} {share(one.total, stack.total)}")) for one in stack.layers if one.total)
    said = f"{plural(stack.total, 'call')} in {plural(stack.days, 'day')}: {who}"
    if len(stack.totals) > 1:
        said += f". Yesterday {plural(stack.totals[-2], 'call')}, on {_day(stack.first)} {stack.totals[0]:,}"
    return said + (f". Ends {_day(stack.end)} {stack.end.year}" if stack.end else "")
