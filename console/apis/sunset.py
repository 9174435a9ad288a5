"""The end of a version: deprecate, take that back, retire; and telling those who call it, in time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from ..accounts.models import Person
from ..audit.actions import record
from ..audit.models import Action
from ..catalog.indexing import index_version
from ..db import db, now, serialise
from ..errors import Refused
from ..logs.traffic import Traffic, traffic
from ..outbox import write_to
from ..runtime import changed
from .models import Api, ApiVersion, State, SunsetNotice
from .reviews import end_review
from .states import Move, check_move
from .subscribers import callers_of, concerned, page_of, people_behind

NOTICE_DAYS = (90, 30, 7, 1)  # before the sunset; and at once, which is kept as 0
QUIET_DAYS = 7


def deprecate_version(
    version: ApiVersion, *, sunset_at: datetime, successor: ApiVersion | None, note: str, by: Person
) -> None:
    """From now on every answer says so: Deprecation (RFC 9745), Sunset (RFC 8594), Link. Subscribers are told."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    check_move(version, Move.DEPRECATE)
    if sunset_at <= now():
        raise Refused("Choose a sunset date in the future, so that callers can prepare.", "sunset_at")
    if successor is not None and (successor.api_id != version.api_id or successor.id == version.id):
        raise Refused("The successor is another version of the same API.", "successor")
    before = {"state": version.state, "sunset_at": version.sunset_at}
    if version.state == State.PUBLISHED:
        version.state, version.deprecated_at, version.deprecated_by_id = State.DEPRECATED, now(), by.id
    version.sunset_at, version.deprecation_note = sunset_at, note
    version.successor_id, version.successor = (successor.id, successor) if successor else (None, None)
    version.generation = changed()
    changes: dict[str, Any] = {"state": [before["state"], version.state], "sunset_at": [before["sunset_at"], sunset_at]}
    changes |= {"successor": successor.name if successor else None, "told": tell_of_sunset(version, 0)}
    record(Action.VERSION_DEPRECATED, version, by=by, changes=changes)
    index_version(version)


def undeprecate_version(version: ApiVersion, reason: str, *, by: Person) -> None:
    """Before its sunset, and with a reason: callers were told of an end that does not come."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    check_move(version, Move.UNDEPRECATE)
    if not reason.strip():
        raise Refused("Say why: its callers were told that it ends.", "reason")
    if version.sunset_at is not None and version.sunset_at <= now():
        raise Refused(f"The sunset of {version.name} has come. Move the date first.")
    before = version.sunset_at
    version.state, version.deprecated_at, version.deprecated_by_id = State.PUBLISHED, None, None
    version.sunset_at, version.successor_id, version.successor, version.deprecation_note = None, None, None, ""
    version.generation = changed()
    told = write_to(
        concerned(version),
        f"{version.name} stays",
        f"{version.name} was to end on {before:%d %B %Y}. That is taken back: it stays.\n\n{reason.strip()}\n\n{page_of(version)}\n",
    )
    changes = {"state": [State.DEPRECATED, State.PUBLISHED], "reason": reason.strip()[:500], "told": told}
    record(Action.VERSION_UNDEPRECATED, version, by=by, changes=changes)
    index_version(version)


def retire_version(version: ApiVersion, *, by: Person | None, reason: str = "") -> None:
    """Callers get 410 from now on. It cannot be undone. Needs a reason while it is still called.

    ``by`` None: its sunset has come.
    """
    serialise(f"version {version.id}")
    db.session.refresh(version)
    check_move(version, Move.RETIRE)
    calls = recent_calls(version)
    if calls.requests and by is not None and not reason.strip():
        raise Refused(
            f"{version.name} was called {calls.requests:,} times in the last {QUIET_DAYS} days. "
            "Say why it is retired all the same.",
            "reason",
        )
    before = version.state
    version.state, version.retired_at, version.retired_by_id = State.RETIRED, now(), by.id if by else None
    version.retire_reason = reason.strip()[:500]
    version.draft = None
    end_review(version)
    version.generation = changed()
    told = write_to(concerned(version), f"{version.name} has ended", _ended(version))
    changes = {"state": [before, State.RETIRED], "calls": calls.requests, "told": told}
    record(Action.VERSION_RETIRED, version, by=by, changes=changes | ({"reason": reason} if reason else {}))
    index_version(version)


def recent_calls(version: ApiVersion) -> Traffic:
    """Of the days in which nobody may have called a version that is retired without a reason."""
    return traffic(QUIET_DAYS * 24, {version.id}).get(version.id, Traffic())


def tell_of_sunset(version: ApiVersion, days: int) -> int:
    """Mail to all who have a subscription to it, once for this sunset date and this distance; how many."""
    assert version.sunset_at is not None
    key = (version.id, version.sunset_at, days)
    if db.session.get(SunsetNotice, key) is not None:
        return 0
    db.session.add(SunsetNotice(version_id=version.id, sunset_at=version.sunset_at, days=days))
    return write_to(concerned(version), _subject(version, days), _letter(version))


def _subject(version: ApiVersion, days: int) -> str:
    when = f"in {days} day{'s' if days > 1 else ''}" if days else f"on {version.sunset_at:%d %B %Y}"
    return f"{version.name} ends {when}"


def _letter(version: ApiVersion) -> str:
    text = f"{version.name} stops answering on {version.sunset_at:%d %B %Y}, 00:00 UTC. From then on it answers 410.\n"
    if version.successor:
        text += f"\nUse {version.successor.name} instead: {version.successor.url}\n"
    if version.deprecation_note:
        text += f"\n{version.deprecation_note}\n"
    return text + f"\n{page_of(version)}\n"


def _ended(version: ApiVersion) -> str:
    text = f"{version.name} was retired. Calls to it are answered with 410.\n"
    if version.successor:
        text += f"\nUse {version.successor.name} instead: {version.successor.url}\n"
    return text + (f"\n{version.retire_reason}\n" if version.retire_reason else "") + f"\n{page_of(version)}\n"


def write_to_callers(
    version: ApiVersion, subject: str, text: str, application_ids: Iterable[int], *, by: Person
) -> int:
    """From the burn-down: to the teams of these applications; how many people."""
    if not subject.strip() or not text.strip():
        raise Refused("Write a subject and a message.", "text")
    wanted = set(application_ids)
    callers = [a for a in callers_of(version) if a.id in wanted]
    if not callers:
        raise Refused("Choose to whom.", "applications")
    told = write_to(people_behind(callers), subject, f"{text.strip()}\n\n{page_of(version)}\n")
    names = [application.name for application in callers]
    record(
        Action.SUBSCRIBERS_TOLD, version, by=by, changes={"subject": subject[:200], "applications": names, "told": told}
    )
    return told


def watch_sunsets() -> None:
    """The job: tell subscribers as a sunset comes near, and retire what has reached it."""
    query = select(ApiVersion).join(ApiVersion.api).options(contains_eager(ApiVersion.api).joinedload(Api.team))
    query = query.where(ApiVersion.state == State.DEPRECATED, ApiVersion.sunset_at.is_not(None))
    query = query.where(ApiVersion.sunset_at <= now() + timedelta(days=max(NOTICE_DAYS) + 1))
    for version in db.session.scalars(query.order_by(ApiVersion.sunset_at).limit(200)):
        assert version.sunset_at is not None
        left = version.sunset_at - now()
        if left <= timedelta():
            retire_version(version, by=None)
        else:
            _tell_if_due(version, left)


def _tell_if_due(version: ApiVersion, left: timedelta) -> None:
    """The nearest distance only: who deprecates 20 days ahead owes no notice of 90 and 30 days. The first day that a
    version is deprecated it was told of anyway."""
    due = [days for days in NOTICE_DAYS if left <= timedelta(days=days)]
    if not due or version.deprecated_at is None or now() - version.deprecated_at < timedelta(days=1):
        return
    told = tell_of_sunset(version, due[-1])
    if told:
        record(Action.SUBSCRIBERS_TOLD, version, changes={"days": due[-1], "told": told})
