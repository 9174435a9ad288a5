"""How much, how well and how fast, by API or by application, over a time and the time before it; from the hourly sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from ..runtime import runtime
from .rollups import caller, latency, percentile
from .search import Bucket
from .store import hour

MOST = 200


@dataclass(frozen=True)
class Span:
    """Whole hours since 1970: from ``first`` on, up to and not including ``end``."""

    first: int
    end: int

    @property
    def before(self) -> Span:
        """As long, right before it."""
        return Span(2 * self.first - self.end, self.first)

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.first * 3600, UTC)

    @property
    def until(self) -> datetime:
        return datetime.fromtimestamp(self.end * 3600, UTC)


def last_hours(hours: int, moment: datetime) -> Span:
    """The hour that is open, and as many before it as make ``hours``."""
    end = int(moment.timestamp()) // 3600 + 1
    return Span(end - hours, end)


@dataclass(frozen=True)
class Sums:
    requests: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    bytes: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def plus(self, status_class: int, requests: int, moved: int = 0) -> Sums:
        return replace(
            self,
            requests=self.requests + requests,
            refused=self.refused + (requests if status_class == 4 else 0),
            failed=self.failed + (requests if status_class == 5 else 0),
            bytes=self.bytes + moved,
        )

    def percentile_us(self, share: float) -> float:
        return percentile(self.buckets, share)


def by_version(span: Span, version_ids: frozenset[int] | None = None) -> dict[int, Sums]:
    found: dict[int, Sums] = defaultdict(Sums)
    counted = select(hour.c.version_id, hour.c.status_class, func.sum(hour.c.requests))
    counted = counted.where(hour.c.hour >= span.first, hour.c.hour < span.end)
    timed = select(latency.c.version_id, latency.c.bucket, func.sum(latency.c.requests))
    timed = timed.where(latency.c.hour >= span.first, latency.c.hour < span.end)
    if version_ids is not None:
        counted, timed = (
            counted.where(hour.c.version_id.in_(version_ids)),
            timed.where(latency.c.version_id.in_(version_ids)),
        )
    with runtime().logs.reading() as connection:
        for version_id, status_class, requests in connection.execute(
            counted.group_by(hour.c.version_id, hour.c.status_class)
        ):
            found[version_id] = found[version_id].plus(status_class, int(requests))
        for version_id, bucket, requests in connection.execute(timed.group_by(latency.c.version_id, latency.c.bucket)):
            found[version_id].buckets[bucket] = int(requests)
    return dict(found)


def by_client(span: Span, client_ids: frozenset[str] | None = None) -> dict[str, Sums]:
    """``client_ids`` None: of everybody, the busiest; else only these."""
    found: dict[str, Sums] = defaultdict(Sums)
    columns = (caller.c.client_id, caller.c.status_class, func.sum(caller.c.requests), func.sum(caller.c.bytes))
    query = select(*columns).where(caller.c.hour >= span.first, caller.c.hour < span.end)
    if client_ids is not None:
        query = query.where(caller.c.client_id.in_(client_ids))
    query = query.group_by(caller.c.client_id, caller.c.status_class).order_by(func.sum(caller.c.requests).desc())
    with runtime().logs.reading() as connection:
        for client_id, status_class, requests, moved in connection.execute(query.limit(5 * MOST)):
            found[client_id] = found[client_id].plus(status_class, int(requests), int(moved))
    return dict(found)


def over_time(span: Span, client_ids: frozenset[str] | None = None, most: int = 48) -> list[Bucket]:
    """Requests by class, in at most ``most`` steps of whole hours."""
    table = hour if client_ids is None else caller
    query = select(table.c.hour, table.c.status_class, func.sum(table.c.requests))
    query = query.where(table.c.hour >= span.first, table.c.hour < span.end)
    if client_ids is not None:
        query = query.where(caller.c.client_id.in_(client_ids))
    step = -(-(span.end - span.first) // most)
    counts = [[0, 0, 0] for _ in range(-(-(span.end - span.first) // step))]
    with runtime().logs.reading() as connection:
        for at, status_class, requests in connection.execute(query.group_by(table.c.hour, table.c.status_class)):
            counts[(at - span.first) // step][max(0, min(status_class, 5) - 3)] += int(requests)
    return [Bucket(span.since + timedelta(hours=i * step), *one) for i, one in enumerate(counts)]


def total(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    whole = Sums()
    for one in sums:
        whole = Sums(
            whole.requests + one.requests,
            whole.refused + one.refused,
            whole.failed + one.failed,
            whole.bytes + one.bytes,
            _added(whole.buckets, one.buckets),
        )
    return whole


def _added(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    return {bucket: one.get(bucket, 0) + other.get(bucket, 0) for bucket in one.keys() | other.keys()}


def change(now: float, before: float) -> float | None:
    """As a share of before; None when there was nothing to compare with."""
    return (now - before) / before if before else None
