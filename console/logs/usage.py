"""Who calls what, and how it is answered: from the sums by the day, never from the records; all of it bounded.

Days are whole ones of UTC, today among them. An operation is its method in upper case and the template of its path; both
are empty for calls that the document of their time did not describe. A client without a name is a call without an
application. Sums are as old as `Callers.counted_since` says; what was called before is not in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, distinct, func, literal, select

from ..db import now
from ..runtime import runtime
from .days import DAYS_KEPT
from .sums import answer, usage, usage_begun
from .together import once, together

Operation = tuple[str, str]  # method and template
MOST_CALLERS, MOST_CLIENTS, MOST_OPERATIONS, MOST_STATUSES = 100, 10_000, 5000, 20_000
LAYERS = 6
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Caller:
    client_id: str
    requests: int
    last_at: datetime


@dataclass(frozen=True)
class Callers:
    """The ``biggest`` by requests, at most `MOST_CALLERS`; the figures are those of all."""

    biggest: list[Caller]
    count: int = 0  # calls without an application are one of them
    applications: int = 0
    requests: int = 0
    last_at: datetime | None = None
    counted_since: date | None = None  # in an installation that had calls before it, in part; None: nothing is missing

    @property
    def rest(self) -> int:
        """How many more there are than ``biggest``."""
        return self.count - len(self.biggest)


@dataclass(frozen=True)
class OperationUsage:
    requests: int
    errors: int  # 5xx
    clients: int  # applications
    last_at: datetime


class CallsOfDay(NamedTuple):
    day: date
    client_id: str | None  # None: all others together
    requests: int


def callers(version_id: int, operations: Iterable[Operation] | None = None, days: int = 30) -> Callers:
    """Of any of these operations; None: of all, also of what is not described."""
    t, within = usage, _within(usage, version_id, days)
    if operations is not None:
        within.append(t.c.operation.in_({f"{method.upper()} {path}" for method, path in operations}))
    requests, last = func.sum(t.c.requests), func.max(t.c.last_at)
    none = literal(0).label("n3"), literal(0).label("n4")
    query = select(t.c.client_id, requests, last, *none).where(*within).group_by(t.c.client_id)
    count = func.count(distinct(t.c.client_id))
    whole = select(requests, last, count.label("clients"), _applications(t).label("known")).where(*within)
    query = query.order_by(requests.desc(), t.c.client_id).limit(MOST_CALLERS)
    # together: as many columns of the same types
    nobody, began = literal("").label("everybody"), func.coalesce(func.max(usage_begun.c.day), 0).label("day")
    asked = {
        "biggest": query,
        "whole": select(nobody, *whole.subquery().c),
        "began": select(nobody, began, literal(0).label("n2"), *none).where(usage_begun.c.day > 0),
    }
    with runtime().logs.reading() as connection:
        rows = together(connection, asked)
    biggest = [Caller(client_id, int(n), moment(at)) for client_id, n, at, _, _ in rows["biggest"]]
    ((_, all_requests, last_at, count, applications),), ((_, day, *_),) = rows["whole"], rows["began"]
    newest, since = moment(last_at) if last_at else None, _date(int(day)) if day else None
    return Callers(biggest, int(count), int(applications), int(all_requests or 0), newest, since)


def clients_of(version_id: int, days: int = 30) -> list[str]:
    """The applications that call it, by client id; at most `MOST_CLIENTS`."""
    t = usage
    query = select(t.c.client_id).where(*_within(t, version_id, days), t.c.client_id != "").distinct()
    with runtime().logs.reading() as connection:
        return list(connection.scalars(query.order_by(t.c.client_id).limit(MOST_CLIENTS)))


def operation_usage(version_id: int, days: int = 30) -> dict[Operation, OperationUsage]:
    """By operation, the busiest first; what is never called has no entry, what is not described is in ``("", "")``."""
    t = usage
    requests = func.sum(t.c.requests)
    columns = (t.c.operation, requests, func.sum(t.c.errors), _applications(t), func.max(t.c.last_at))
    query = select(*columns).where(*_within(t, version_id, days)).group_by(t.c.operation)
    query = query.order_by(requests.desc(), t.c.operation).limit(MOST_OPERATIONS)
    with runtime().logs.reading() as connection:
        rows = once(connection, ("operations", version_id, days), lambda: connection.execute(query).all())
    return {
        called(name): OperationUsage(int(n), int(errors), int(clients), moment(at))
        for name, n, errors, clients, at in rows
    }


def statuses(version_id: int, days: int = 30) -> dict[Operation, dict[int, int]]:
    """How each operation that is described was answered: requests by status, in the order of statuses."""
    t = answer
    query = select(t.c.operation, t.c.status, func.sum(t.c.requests)).where(*_within(t, version_id, days))
    query = query.group_by(t.c.operation, t.c.status).order_by(t.c.operation, t.c.status).limit(MOST_STATUSES)
    found: dict[Operation, dict[int, int]] = {}
    with runtime().logs.reading() as connection:
        for name, status, requests in connection.execute(query):
            found.setdefault(called(name), {})[status] = int(requests)
    return found


def burn_down(version_id: int, days: int = 30, layers: int = LAYERS - 1) -> list[CallsOfDay]:
    """By day, oldest first, of the clients with most requests, biggest first, and of all others; no entry where none."""
    t, within = usage, _within(usage, version_id, days)
    requests = func.sum(t.c.requests)
    ranked = select(t.c.client_id).where(*within).group_by(t.c.client_id).order_by(requests.desc(), t.c.client_id)
    biggest = t.c.client_id.in_(ranked.limit(layers))
    theirs = select(t.c.day, t.c.client_id, requests).where(*within, biggest).group_by(t.c.day, t.c.client_id)
    whole = select(t.c.day, literal("").label("everybody"), requests).where(*within).group_by(t.c.day)
    with runtime().logs.reading() as connection:
        rows = together(connection, {"theirs": theirs, "whole": whole})
    return _layers(
        {(day, client): int(n) for day, client, n in rows["theirs"]}, {row[0]: int(row[2]) for row in rows["whole"]}
    )


def _layers(of_day: dict[tuple[int, str], int], totals: dict[int, int]) -> list[CallsOfDay]:
    sums, found = Counter[str](), list[CallsOfDay]()
    for (_, client), count in of_day.items():
        sums[client] += count
    biggest = sorted(sums, key=lambda client: (-sums[client], client))
    for day, total in sorted(totals.items()):
        known = [(client, of_day.get((day, client), 0)) for client in biggest]
        for client_id, count in (*known, (None, total - sum(n for _, n in known))):
            found += [CallsOfDay(_date(day), client_id, count)] if count else []
    return found


def last_call(version_id: int, *, not_within: int = 0) -> datetime | None:
    """When it was last called, whatever was; None: not within `DAYS_KEPT` days. ``not_within``: so many days are known to
    have no call."""
    with runtime().logs.reading() as connection:
        for days in (2, 30, DAYS_KEPT):  # the newest few rows mostly tell
            if days > not_within and (at := _last(connection, version_id, days)):
                return moment(at)
    return None


def _last(connection: Connection, version_id: int, days: int) -> int:
    return int(connection.scalar(select(func.max(usage.c.last_at)).where(*_within(usage, version_id, days))) or 0)


def _within(t: Table, version_id: int, days: int) -> list[ColumnElement[bool]]:
    """Day by day: so the key finds the version in each."""
    return [t.c.day.in_(days_back(days)), t.c.version_id == version_id]


def first_day(days: int) -> date:
    return _date(days_back(days).start)


def days_back(days: int) -> range:
    today = int(now().timestamp()) // 86400
    return range(today - days + 1, today + 1)


def _applications(t: Table) -> ColumnElement[int]:
    return func.count(distinct(func.nullif(t.c.client_id, "")))


def called(name: str) -> Operation:
    method, _, path = name.partition(" ")
    return method, path


def moment(at_us: Any) -> datetime:
    return datetime.fromtimestamp(int(at_us) / 1_000_000, UTC)


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)
