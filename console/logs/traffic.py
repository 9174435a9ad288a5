"""How many calls each version had, and how they went; from the hourly sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, union_all

from ..db import now
from ..runtime import runtime
from .store import hour


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
    first = int(now().timestamp()) // 3600 - hours + 1
    columns = (hour.c.version_id, hour.c.status_class, func.sum(hour.c.requests), func.sum(hour.c.duration_us))
    query = select(*columns).where(hour.c.hour >= first).group_by(hour.c.version_id, hour.c.status_class)
    if version_ids is not None:
        query = query.where(hour.c.version_id.in_(version_ids))
    found: dict[int, Traffic] = {}
    with runtime().logs.reading() as connection:
        for version_id, status_class, requests, spent in connection.execute(query):
            t = found.get(version_id, Traffic())
            found[version_id] = Traffic(
                t.requests + int(requests),
                t.errors + (int(requests) if status_class == 5 else 0),
                t.refused + (int(requests) if status_class == 4 else 0),
                t.duration_us + int(spent),
            )
    return found


def health(hours: int, version_ids: set[int]) -> dict[int, list[Traffic]]:
    """Hour by hour, oldest first, for the health strips."""
    first = int(now().timestamp()) // 3600 - hours + 1
    query = select(hour).where(hour.c.hour >= first, hour.c.version_id.in_(version_ids))
    strips = {version_id: [Traffic()] * hours for version_id in version_ids}
    with runtime().logs.reading() as connection:
        for row in connection.execute(query):
            place = row.hour - first
            if 0 <= place < hours:
                t = strips[row.version_id][place]
                failed = row.requests if row.status_class == 5 else 0
                refused = row.requests if row.status_class == 4 else 0
                strips[row.version_id][place] = Traffic(
                    t.requests + row.requests, t.errors + failed, t.refused + refused, t.duration_us + row.duration_us
                )
    return strips


def month_and_day(version_ids: set[int]) -> tuple[dict[int, Traffic], dict[int, list[Traffic]]]:
    """`traffic` over 30 days and `health` over 24 hours, in one question: for lists of versions."""
    this = int(now().timestamp()) // 3600
    first, sums = this - 24 + 1, (func.sum(hour.c.requests), func.sum(hour.c.duration_us))
    month, strips = dict[int, Traffic](), {version_id: [Traffic()] * 24 for version_id in version_ids}
    if not version_ids:
        return month, strips
    chosen, by = hour.c.version_id.in_(version_ids), (hour.c.version_id, hour.c.status_class)
    whole: Any = select((func.min(hour.c.hour) * 0).label("since"), *by, *sums).group_by(*by)
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
