"""How many calls each version had, and how they went; from the hourly sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, union_all

from ..db import now
from ..runtime import runtime
from .store import hour

SUMS = (func.sum(hour.c.requests), func.sum(hour.c.duration_us))


@dataclass(frozen=True)
class Traffic:
    """Sums of one version over a time."""

    requests: int = 0
    errors: int = 0  # 5xx
    refused: int = 0  # 4xx
    duration_us: int = 0

    def plus(self, status_class: int, requests: int, spent_us: int) -> Traffic:
        failed, refused = (requests if status_class == n else 0 for n in (5, 4))
        return Traffic(
            self.requests + requests, self.errors + failed, self.refused + refused, self.duration_us + spent_us
        )

    @property
    def mean_ms(self) -> float:
        return self.duration_us / self.requests / 1000 if self.requests else 0.0


def traffic(hours: int, version_ids: set[int] | None = None) -> dict[int, Traffic]:
    """By version, over the last ``hours`` whole hours and the open one; from the hourly sums."""
    by = (hour.c.version_id, hour.c.status_class)
    query = select(*by, *SUMS).where(hour.c.hour >= _first(hours)).group_by(*by)
    if version_ids is not None:
        query = query.where(hour.c.version_id.in_(version_ids))
    found: dict[int, Traffic] = {}
    with runtime().logs.reading() as connection:
        for version_id, status_class, requests, spent in connection.execute(query):
            _add(found, version_id, status_class, requests, spent)
    return found


def traffic_and_day(hours: int) -> tuple[dict[int, Traffic], dict[int, Traffic]]:
    """`traffic` over ``hours`` and over 24 hours, in one question."""
    since, of_day = _first(hours), _first(24)
    is_of_day = case((hour.c.hour >= of_day, 1), else_=0).label("is_of_day")
    is_asked = case((hour.c.hour >= since, 1), else_=0).label("is_asked")
    by = (is_asked, is_of_day, hour.c.version_id, hour.c.status_class)
    query = select(*by, *SUMS).where(hour.c.hour >= min(since, of_day)).group_by(*by)
    asked, day = dict[int, Traffic](), dict[int, Traffic]()
    with runtime().logs.reading() as connection:
        for in_asked, in_day, *sums in connection.execute(query):
            for found in [asked] * in_asked + [day] * in_day:
                _add(found, *sums)
    return asked, day


def _first(hours: int) -> int:
    """The oldest of the last ``hours``, the open one among them."""
    return int(now().timestamp()) // 3600 - hours + 1


def _add(found: dict[int, Traffic], version_id: int, status_class: int, requests: int, spent_us: int) -> None:
    found[version_id] = found.get(version_id, Traffic()).plus(status_class, int(requests), int(spent_us))


def health(hours: int, version_ids: set[int]) -> dict[int, list[Traffic]]:
    """Hour by hour, oldest first, for the health strips."""
    first = _first(hours)
    query = select(hour).where(hour.c.hour >= first, hour.c.version_id.in_(version_ids))
    strips = {version_id: [Traffic()] * hours for version_id in version_ids}
    with runtime().logs.reading() as connection:
        for row in connection.execute(query):
            place = row.hour - first
            if 0 <= place < hours:
                strip = strips[row.version_id]
                strip[place] = strip[place].plus(row.status_class, row.requests, row.duration_us)
    return strips


def month_and_day(version_ids: set[int]) -> tuple[dict[int, Traffic], dict[int, list[Traffic]]]:
    """`traffic` over 30 days and `health` over 24 hours, in one question: for lists of versions."""
    this = int(now().timestamp()) // 3600
    first = this - 24 + 1
    month, strips = dict[int, Traffic](), {version_id: [Traffic()] * 24 for version_id in version_ids}
    if not version_ids:
        return month, strips
    chosen, by = hour.c.version_id.in_(version_ids), (hour.c.version_id, hour.c.status_class)
    whole: Any = select((func.min(hour.c.hour) * 0).label("since"), *by, *SUMS).group_by(*by)
    hours: Any = select(hour.c.hour.label("since"), *by, hour.c.requests, hour.c.duration_us).where(
        hour.c.hour >= first
    )
    query = union_all(whole.where(chosen, hour.c.hour > this - 30 * 24), hours.where(chosen))
    with runtime().logs.reading() as connection:
        for since, version_id, status_class, requests, spent in connection.execute(query):
            if not since:
                month[version_id] = month.get(version_id, Traffic()).plus(status_class, int(requests), int(spent))
            elif first <= since < first + 24:
                strip, at = strips[version_id], since - first
                strip[at] = strip[at].plus(status_class, int(requests), int(spent))
    return month, strips
