"""What slows those down who try too often: signing in, by account and by address; registering, by address."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from ..audit.models import Action, AuditEntry
from ..db import db, now, serialise
from ..errors import Refused
from .models import Person, Throttle

FREE_FAILURES = {"account": 5, "address": 20}
LONGEST_WAIT = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
MOST_OF_A_PLACE = 10  # registrations in an hour


def waiting_time(email: str, address: str) -> timedelta:
    """How long until the next sign-in of this account, or from this address, may be tried."""
    rows = db.session.scalars(select(Throttle).where(Throttle.key.in_(_throttles(email, address))))
    return max((row.wait() for row in rows), default=timedelta())


def _throttles(email: str, address: str) -> tuple[str, str]:
    """The keys of the account and of the address.

    Where she has signed in from lately counts apart: else somebody who fails on purpose locks her out for good.
    """
    known = (
        select(AuditEntry.id)
        .join(Person, Person.id == AuditEntry.actor_id)
        .where(Person.email == email, AuditEntry.action == Action.SESSION_OPENED, AuditEntry.address == address)
    )
    since = AuditEntry.at > now() - KNOWN_FOR
    account = f"account {email} at {address}" if db.session.scalar(known.where(since).limit(1)) else f"account {email}"
    return account[:300], f"address {address}"[:300]


def note_failure(email: str, address: str) -> None:
    for kind, key in zip(FREE_FAILURES, _throttles(email, address), strict=True):
        serialise(f"throttle {key}")
        row = db.session.get(Throttle, key)
        if row is None:
            row = Throttle(key=key, failures=0)
            db.session.add(row)
        if row.failed_at and now() - row.failed_at > timedelta(hours=1):
            row.failures = 0
        row.failures, row.failed_at = row.failures + 1, now()
        excess = row.failures - FREE_FAILURES[kind]
        if excess >= 0:
            row.blocked_until = now() + min(timedelta(seconds=2 ** min(excess, 12)), LONGEST_WAIT)


def forget_failures(email: str, address: str) -> None:
    db.session.execute(delete(Throttle).where(Throttle.key == _throttles(email, address)[0]))


def count_registration(address: str) -> None:
    """From one place a few in an hour, so that nobody uses up what there is for all."""
    key = f"registration {address}"[:300]
    serialise(key)
    row = db.session.get(Throttle, key) or Throttle(key=key, failures=0, failed_at=now())
    if now() - row.failed_at > timedelta(hours=1):
        row.failures, row.failed_at = 0, now()
    if row.failures >= MOST_OF_A_PLACE:
        raise Refused("Too many people register from your network at this moment. Try again in an hour.")
    row.failures += 1
    db.session.add(row)
    db.session.flush()
