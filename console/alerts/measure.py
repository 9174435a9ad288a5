"""What a rule looks at, measured over its window. Of records, never of more than a moment's time allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, literal_column, select

from ..apis.models import ApiVersion
from ..applications.models import Application
from ..credentials.models import ApiKey
from ..db import db
from ..gateway import quotas
from ..logs.completeness import gaps, served_in
from ..logs.filters import asked_in, question_of
from ..logs.phrases import whole
from ..logs.question import Question
from ..logs.segments import windows
from ..runtime import runtime
from .models import AlertRule, Kind

FEWEST = 20  # calls, to speak of a rate or a percentile
MOST_TIMED = 20_000


@dataclass(frozen=True)
class Measured:
    """``value`` None: too few calls to say. ``about`` is for people."""

    value: float | None
    about: str = ""


def measure(rule: AlertRule, moment: datetime) -> Measured:
    since = moment - timedelta(minutes=rule.window_min)
    if rule.kind == Kind.KEY_IDLE:
        return _idle_keys(rule, moment)
    question = _question(rule, since, moment)
    if rule.kind == Kind.QUOTA_NEAR:
        return _quotas(question, moment)
    if rule.kind == Kind.COMPLETENESS:
        return _completeness(question, since, moment)
    if rule.kind == Kind.LATENCY:
        return _latency(question)
    return _rate(rule.kind, question)


def is_broken(rule: AlertRule, value: float) -> bool:
    if rule.kind in (Kind.NO_TRAFFIC, Kind.COMPLETENESS):
        return value < rule.threshold
    return value >= rule.threshold


def _question(rule: AlertRule, since: datetime, until: datetime) -> Question:
    question = replace(question_of(asked_in(rule.filters), None), since=since, until=until)
    if rule.sees_all:
        return question
    team = frozenset(db.session.scalars(select(Application.client_id).where(Application.team_id == rule.team_id)))
    return replace(question, client_ids=team if question.client_ids is None else question.client_ids & team)


def _rate(kind: Kind, question: Question) -> Measured:
    counts = _by_class(question)
    total = sum(counts.values())
    if kind == Kind.NO_TRAFFIC:
        return Measured(float(total), f"{total:,} calls")
    if total < FEWEST:
        return Measured(None, f"{total:,} calls, too few to speak of a rate")
    bad = counts.get(5 if kind == Kind.ERROR_RATE else 4, 0)
    return Measured(100 * bad / total, f"{bad:,} of {total:,} calls")


def _by_class(question: Question) -> dict[int, int]:
    found: dict[int, int] = {}
    with runtime().logs.reading() as connection:
        for t, start, end in windows(connection, *question.ids):
            status_class = whole(t.c.status, literal_column("100"))  # the same one for PostgreSQL, twice
            query = select(status_class, func.count()).select_from(t).where(t.c.id >= start, t.c.id < end)
            for key, count in connection.execute(query.where(*question.conditions(t)).group_by(status_class)):
                found[int(key)] = found.get(int(key), 0) + count
    return found


def _latency(question: Question) -> Measured:
    """The 95th percentile of the newest calls."""
    times: list[int] = []
    with runtime().logs.reading() as connection:
        for t, start, end in windows(connection, *question.ids):
            query = select(t.c.duration_us).where(t.c.id >= start, t.c.id < end, *question.conditions(t))
            times += connection.scalars(query.order_by(t.c.id.desc()).limit(MOST_TIMED - len(times)))
            if len(times) >= MOST_TIMED:
                break
    if len(times) < FEWEST:
        return Measured(None, f"{len(times):,} calls, too few for a percentile")
    times.sort()
    return Measured(times[-(-95 * len(times) // 100) - 1] / 1000, f"95 % of {len(times):,} calls were faster")


def _completeness(question: Question, since: datetime, until: datetime) -> Measured:
    served = served_in(since, until, question.node_ids)
    if not served:
        return Measured(None, "no node told what it served")
    missing = sum(one.missing for one in gaps(since, until, question.node_ids))
    return Measured(100 * max(0, served - missing) / served, f"{missing:,} records of {served:,} are missing")


def _quotas(question: Question, moment: datetime) -> Measured:
    """The largest share that an application has used of its quota at a version, in percent."""
    limits = {
        pair: limit
        for pair, limit in quotas.limits().items()
        if (question.version_ids is None or pair[0] in question.version_ids)
        and (question.client_ids is None or pair[1] in question.client_ids)
    }
    if not limits:
        return Measured(None, "no application has a quota")
    shares = [(100 * count / limits[pair][0], pair, count) for pair, count in quotas.used(limits, moment).items()]
    share, (version_id, client_id), count = max(shares)
    allowed, period = limits[version_id, client_id]
    version = db.session.get_one(ApiVersion, version_id)
    name = db.session.scalar(select(Application.name).where(Application.client_id == client_id)) or client_id
    return Measured(share, f"{name} at {version.name}: {count:,} of {allowed:,} calls this {period}")


def _idle_keys(rule: AlertRule, moment: datetime) -> Measured:
    """The longest time that a key of the team's applications was not used, in days."""
    query = select(ApiKey).join(ApiKey.application).where(ApiKey.revoked_at.is_(None), ApiKey.replaced_at.is_(None))
    if not rule.sees_all:
        query = query.where(Application.team_id == rule.team_id)
    idle = sorted(
        (
            ((moment - (key.used_at or key.created_at)).total_seconds() / 86400, key)
            for key in db.session.scalars(query.limit(5000))
            if key.is_good
        ),
        key=lambda one: -one[0],
    )
    if not idle:
        return Measured(None, "there is no key")
    names = ", ".join(
        f"{key.name or key.hint} of {key.application.name}" for days, key in idle[:5] if days >= rule.threshold
    )
    return Measured(idle[0][0], names or "every key is used")
