"""Questions to the request log: newest first, by key, always bounded in rows and in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Integer, Row, Select, Table, func, literal_column, select

from ..db import now
from ..runtime import runtime
from .segments import tables
from .store import LAST_ID, SEQUENCE_BITS, hour, id_at, moment_of

PAGE = 50
MOST_EXPORTED = 100_000
CLASSES = {"2xx": (200, 300), "3xx": (300, 400), "4xx": (400, 500), "5xx": (500, 600)}


@dataclass(frozen=True)
class Question:
    """``client_ids`` None: anybody's; a set: only these (an empty one finds nothing)."""

    since: datetime | None = None
    until: datetime | None = None
    version_ids: frozenset[int] | None = None
    client_ids: frozenset[str] | None = None
    classes: frozenset[str] = field(default_factory=frozenset)
    method: str = ""
    path: str = ""
    request_id: str = ""
    node_id: int = 0

    def conditions(self, t: Table) -> list[ColumnElement[bool]]:
        """On one table of records."""
        wanted: list[ColumnElement[bool]] = []
        if self.since:
            wanted.append(t.c.id >= id_at(self.since))
        if self.until:
            wanted.append(t.c.id < id_at(self.until))
        if self.version_ids is not None:
            wanted.append(t.c.version_id.in_(self.version_ids))
        if self.client_ids is not None:
            wanted.append(t.c.client_id.in_(self.client_ids))
        if self.method:
            wanted.append(t.c.method == self.method.upper())
        if self.path:
            wanted.append(t.c.path.contains(self.path, autoescape=True))
        if self.request_id:
            wanted.append(t.c.request_id == self.request_id)
        if self.node_id:
            wanted.append(t.c.node_id == self.node_id)
        return [*wanted, *self._status(t)]

    @property
    def ids(self) -> tuple[int, int]:
        """From the first on, up to and not including the second."""
        return id_at(self.since) if self.since else 0, id_at(self.until) if self.until else LAST_ID

    def _status(self, t: Table) -> list[ColumnElement[bool]]:
        if not self.classes:
            return []
        ranges = [CLASSES[name] for name in sorted(self.classes & CLASSES.keys())]
        either: ColumnElement[bool] = literal_column("1 = 0")
        for low, high in ranges:
            either = either | t.c.status.between(low, high - 1)
        # the literal lets SQLite use the partial index; a bound parameter would not
        failed: list[ColumnElement[bool]] = (
            [literal_column("status >= 400")] if ranges and all(low >= 400 for low, _ in ranges) else []
        )
        return [*failed, either]


def newest(question: Question, *, before: int = 0, size: int = PAGE) -> list[Row]:  # type: ignore[type-arg]
    """One more than ``size`` when there are older ones. Days are looked through backwards, until there are enough."""
    if before > LAST_ID:
        raise OverflowError("no record has such a number")
    low, high = question.ids
    found: list[Row] = []  # type: ignore[type-arg]
    with runtime().logs.reading() as connection:
        for t in tables(connection, low, min(high, before or LAST_ID)):
            query = _query(question, t).order_by(t.c.id.desc()).limit(size + 1 - len(found))
            if before:
                query = query.where(t.c.id < before)
            found += connection.execute(query)
            if len(found) > size:
                break
    return found


def find_record(record_id: int, question: Question) -> Row | None:  # type: ignore[type-arg]
    """One record, within what ``question`` may see."""
    with runtime().logs.reading() as connection:
        for t in tables(connection, record_id, record_id + 1):
            return connection.execute(_query(question, t).where(t.c.id == record_id)).first()
    return None


def export(question: Question, size: int = MOST_EXPORTED) -> Iterator[Row]:  # type: ignore[type-arg]
    """Page after page, so that no transaction stays open while the reader is slow."""
    before, left = 0, size
    while left > 0:
        rows = newest(question, before=before, size=min(1000, left))
        page = rows[:1000]
        yield from page
        if len(rows) <= len(page):
            return
        before, left = page[-1].id, left - len(page)


def _query(question: Question, t: Table) -> Select[tuple[object, ...]]:
    return select(*t.columns).where(*question.conditions(t))


@dataclass(frozen=True)
class Bucket:
    start: datetime
    ok: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx

    @property
    def total(self) -> int:
        return self.ok + self.refused + self.failed


def histogram(question: Question, since: datetime, until: datetime) -> list[Bucket]:
    """Requests by time and class. Over a day or more it is read from the hourly sums, where they can answer."""
    hours = (until - since) / timedelta(hours=1)
    buckets = 60 if hours < 20 else min(48, round(hours))
    width = (until - since) / buckets
    by_hour = width >= timedelta(minutes=59) and not (question.client_ids is not None or _narrow(question))
    rows = _hour_counts(question, since, until) if by_hour else _raw_counts(question, since, until, width)
    counts: list[list[int]] = [[0, 0, 0] for _ in range(buckets)]
    for moment, status_class, number in rows:
        place = int((max(moment, since) - since) / width)  # an hour that began before counts to the first
        if 0 <= place < buckets:
            counts[place][max(0, min(status_class, 5) - 3)] += number
    return [Bucket(since + width * i, *counts[i]) for i in range(buckets)]


def _narrow(question: Question) -> bool:
    return bool(question.method or question.path or question.request_id or question.node_id)


def _hour_counts(question: Question, since: datetime, until: datetime) -> list[tuple[datetime, int, int]]:
    query = select(hour.c.hour, hour.c.status_class, func.sum(hour.c.requests)).group_by(
        hour.c.hour, hour.c.status_class
    )
    query = query.where(hour.c.hour >= int(since.timestamp()) // 3600, hour.c.hour < int(until.timestamp()) // 3600 + 1)
    if question.version_ids is not None:
        query = query.where(hour.c.version_id.in_(question.version_ids))
    if question.classes:
        query = query.where(hour.c.status_class.in_([int(name[0]) for name in question.classes]))
    with runtime().logs.reading() as connection:
        return [(datetime.fromtimestamp(h * 3600, since.tzinfo), c, int(n)) for h, c, n in connection.execute(query)]


def _raw_counts(
    question: Question, since: datetime, until: datetime, width: timedelta
) -> list[tuple[datetime, int, int]]:
    step = max(1, int(width.total_seconds() * 1_000_000)) << SEQUENCE_BITS
    asked = replace(question, since=since, until=until)
    found: list[tuple[datetime, int, int]] = []
    with runtime().logs.reading() as connection:
        for t in tables(connection, *asked.ids):
            place = literal_column(f"({t.name}.id - {id_at(since)}) / {step}", BigInteger)  # numbers and names of ours
            status_class = literal_column(f"{t.name}.status / 100", Integer)
            query = select(place, status_class, func.count()).select_from(t).where(*asked.conditions(t))
            rows = connection.execute(query.group_by(place, status_class))
            found += [(since + width * int(p) + width / 2, int(c), n) for p, c, n in rows]
    return found


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


MOST_LOOKED_AT = 20_000


def _newest_calls(client_id: str, since: datetime) -> list[Row]:  # type: ignore[type-arg]
    """Id, token and address of one client's newest calls: what is asked about them costs the same however many there are."""
    found: list[Row] = []  # type: ignore[type-arg]
    with runtime().logs.reading() as connection:
        for t in tables(connection, id_at(since)):
            calls = select(t.c.id, t.c.jti, t.c.client_address).where(
                t.c.client_id == client_id, t.c.id >= id_at(since)
            )
            found += connection.execute(calls.order_by(t.c.id.desc()).limit(MOST_LOOKED_AT - len(found)))
            if len(found) >= MOST_LOOKED_AT:
                break
    return found


def last_used(client_id: str, jtis: list[str], since: datetime) -> dict[str, datetime]:
    """When each of these tokens or keys was last shown to a gateway, as far as the newest calls of its client tell."""
    wanted, found = set(jtis), dict[str, datetime]()
    for call in _newest_calls(client_id, since) if wanted else ():
        if call.jti in wanted:
            found.setdefault(call.jti, moment_of(call.id))  # they come newest first
    return found


@dataclass(frozen=True)
class Calls:
    """``is_all``: no older ones were left out."""

    count: int = 0
    last_at: datetime | None = None
    addresses: tuple[str, ...] = ()  # the busiest, at most five
    is_all: bool = True


def calls_of(client_id: str, jti: str, since: datetime) -> Calls:
    """What was done by a client, or with one key of it."""
    looked_at = _newest_calls(client_id, since)
    calls = [call for call in looked_at if not jti or call.jti == jti]
    busiest = Counter(call.client_address for call in calls).most_common(5)
    last = moment_of(calls[0].id) if calls else None
    return Calls(len(calls), last, tuple(address for address, _ in busiest), len(looked_at) < MOST_LOOKED_AT)
