"""How many calls each version had, and how they went; from the hourly sums."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

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
