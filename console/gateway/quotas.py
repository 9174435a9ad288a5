"""Quotas: how many calls of its plan an application has made in this day or month (UTC), and who has none left.

Counted by the sums of the request log, over all nodes: so a quota ends some seconds late, by as many calls as are made until
their records have come and the nodes have heard of it. A call that was refused (4xx) does not count.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import delete, func, select

from ..applications.models import Application, Plan, Subscription, SubscriptionState
from ..db import db, now
from ..logs.days import Span, closed_days, during
from ..logs.sums import caller
from ..runtime import changed, runtime
from .models import ExhaustedQuota

REFUSED = 4  # the class of their statuses
COUNT_AGAIN_S = 1800  # hours that are over: late records still come to them
Pair = tuple[int, str]  # the number of an API version, a client id
Period = Literal["day", "month"]
Limits = dict[Pair, tuple[int, Period]]


def limits() -> Limits:
    """So many calls in a day or a month: of every active subscription whose plan has a quota."""
    query = (
        select(Subscription.version_id, Application.client_id, Plan.quota_requests, Plan.quota_period)
        .join(Plan, Subscription.plan_id == Plan.id)
        .join(Application, Subscription.application_id == Application.id)
        .where(Subscription.state == SubscriptionState.ACTIVE, Plan.quota_requests.is_not(None))
    )
    rows = db.session.execute(query)
    return {(row[0], row[1]): (row[2] or 0, "day" if row[3] == "day" else "month") for row in rows}


def used(limits: Limits, moment: datetime) -> dict[Pair, int]:
    """Calls in the period of each quota that ``moment`` is in."""
    counts = {period: _counted(period, moment) for period in {period for _, period in limits.values()}}
    return {pair: counts[period][pair] for pair, (_, period) in limits.items()}


def exhausted(limits: Limits, moment: datetime) -> dict[int, dict[str, datetime]]:
    """By version: clients that have no call left, each with the time at which there are calls again."""
    found: dict[int, dict[str, datetime]] = {}
    for (version_id, client_id), count in used(limits, moment).items():
        allowed, period = limits[version_id, client_id]
        if count >= allowed:
            found.setdefault(version_id, {})[client_id] = refilled_at(period, moment)
    return found


def begun_at(period: Period, moment: datetime) -> datetime:
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if period == "day" else midnight.replace(day=1)


def refilled_at(period: Period, moment: datetime) -> datetime:
    longer = timedelta(days=1 if period == "day" else 32)
    return begun_at(period, begun_at(period, moment) + longer)


def _counted(period: Period, moment: datetime) -> Counter[Pair]:
    """What is over is remembered for a while: only the last two hours are counted each time."""
    first, this = (int(at.timestamp()) // 3600 for at in (begun_at(period, moment), moment))
    settled = max(first, this - 1)
    return _over(period, Span(first, settled)) + _sums(Span(settled, this + 1))


def _over(period: Period, span: Span) -> Counter[Pair]:
    memory, key = runtime().parsed, ("quotas", period)
    known: _Over | None = memory.get(key)
    if known is None or known.span != span or time.monotonic() - known.counted_at > COUNT_AGAIN_S:
        known = memory[key] = _Over(span, time.monotonic(), _sums(span))
    return known.sums


class _Over(NamedTuple):
    span: Span
    counted_at: float
    sums: Counter[Pair]


def _sums(span: Span) -> Counter[Pair]:
    """Day by day: all of a month at once would take longer than a question may."""
    found: Counter[Pair] = Counter()
    for day in range(span.first // 24, -(-span.end // 24)):
        _add(found, Span(max(span.first, day * 24), min(span.end, day * 24 + 24)))
    return found


def _add(found: Counter[Pair], span: Span) -> None:
    with runtime().logs.reading() as connection:
        t = during(caller, span, closed_days(connection, span), {"version_id", "client_id"})
        query = select(t.c.version_id, t.c.client_id, func.sum(t.c.requests)).where(t.c.status_class != REFUSED)
        for version_id, client_id, requests in connection.execute(query.group_by(t.c.version_id, t.c.client_id)):
            found[version_id, client_id] += int(requests)


def look() -> dict[Pair, datetime]:
    """Reads only, and may take its time."""
    allowed = limits()
    db.session.rollback()
    found = exhausted(allowed, now()) if allowed else {}
    return {(version_id, client_id): at for version_id, of in found.items() for client_id, at in of.items()}


def note(found: dict[Pair, datetime]) -> None:
    """The nodes hear of it when it is not as it was."""
    if known() == found:
        return
    db.session.execute(delete(ExhaustedQuota))
    db.session.add_all(ExhaustedQuota(version_id=v, client_id=c, refilled_at=at) for (v, c), at in found.items())
    db.session.flush()
    changed()


def known() -> dict[Pair, datetime]:
    """As it was noted last."""
    return {(row.version_id, row.client_id): row.refilled_at for row in db.session.scalars(select(ExhaustedQuota))}
