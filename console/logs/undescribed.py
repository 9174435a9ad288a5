"""What callers call and no document describes, from the sums by the day; see `usage`, of which this is a part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from ..runtime import runtime
from .sums import undescribed as sums
from .usage import called, days_back, moment

MOST = 200


@dataclass
class Undescribed:
    """``path`` is what the paths of these calls have in common, with `{id}` for what looks like a value; it is empty for
    all others together. ``request_id``: of one of the newest of them."""

    method: str
    path: str
    statuses: Counter[int] = field(default_factory=Counter)  # requests by status; 0: any
    last_at: datetime | None = None
    request_id: str = ""

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def is_others(self) -> bool:
        return not self.path

    def add(self, other: Undescribed) -> None:
        self.statuses += other.statuses
        if other.last_at and (self.last_at is None or other.last_at > self.last_at):
            self.last_at, self.request_id = other.last_at, other.request_id


def undescribed(version_id: int, days: int = 30) -> list[Undescribed]:
    """By method and path, most requests first; at most `MOST`, and what is left as the last one."""
    found: dict[str, Undescribed] = {}
    for name, status, requests, last_at, request_id in _rows(version_id, days):
        method, path = called(name)
        one = Undescribed(method, path, Counter({status: int(requests)}), moment(last_at), request_id)
        found.setdefault(name, Undescribed(method, path)).add(one)
    others = found.pop("", Undescribed("", ""))
    ranked = sorted(found.values(), key=lambda one: (-one.requests, one.path, one.method))
    for one in ranked[MOST:]:
        others.add(one)
    return ranked[:MOST] + ([others] if others.requests else [])


def _rows(version_id: int, days: int) -> list[tuple[str, int, int, int, str]]:
    """There are few of a day: see `usage_sums.MOST_UNDESCRIBED`."""
    t = sums
    key = (t.c.day, t.c.operation, t.c.status)
    query = select(*key[1:], func.sum(t.c.requests), func.max(t.c.last_at), func.max(t.c.request_id)).group_by(*key)
    query = query.where(t.c.day.in_(days_back(days)), t.c.version_id == version_id)
    with runtime().logs.reading() as connection:
        return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query)]
