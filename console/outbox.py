"""Mail that must not get lost: kept in the transaction of what it tells of, sent afterwards, tried again with growing pauses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Index, String, Text, delete, select, text
from sqlalchemy.orm import Mapped, mapped_column

from . import mail
from .accounts.models import Person
from .db import Model, db, now
from .runtime import runtime

MOST_AT_ONCE = 20
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 480, 1440))  # past the last one it is given up
KEPT = timedelta(days=30)
WAITING = text("sent_at IS NULL AND given_up_at IS NULL")


class Letter(Model):
    __tablename__ = "letter"
    __table_args__ = (Index("ix_letter_waiting", "try_at", sqlite_where=WAITING, postgresql_where=WAITING),)
    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(default=now)
    try_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Sent:
    letter_id: int
    ok: bool


def write_to(people: Iterable[Person], subject: str, body: str) -> int:
    """One letter to each, once; how many. ``body`` is plain text."""
    addresses = dict.fromkeys(person.email for person in people if person.is_active)
    for address in addresses:
        db.session.add(Letter(to=address, subject=" ".join(subject.split())[:200], text=body))
    db.session.flush()
    return len(addresses)


def send_due() -> list[Sent]:
    """Send what is due, holding nothing meanwhile. Noted afterwards: who is stopped in between sends it once more."""
    query = select(Letter).where(Letter.sent_at.is_(None), Letter.given_up_at.is_(None), Letter.try_at <= now())
    due = [
        (one.id, one.to, one.subject, one.text)
        for one in db.session.scalars(query.order_by(Letter.try_at).limit(MOST_AT_ONCE))
    ]
    db.session.rollback()
    config = runtime().config
    # without SMTP it is printed, and that has to do
    return [
        Sent(number, mail.send(config, to, subject, body) or not config.smtp_url) for number, to, subject, body in due
    ]


def note_sent(sent: list[Sent]) -> None:
    for one in sent:
        letter = db.session.get(Letter, one.letter_id)
        if letter is None or letter.sent_at is not None:
            continue
        letter.attempts += 1
        if one.ok:
            letter.sent_at = now()
        elif letter.attempts > len(PAUSES):
            letter.given_up_at = now()
        else:
            letter.try_at = now() + PAUSES[letter.attempts - 1]
    db.session.execute(delete(Letter).where(Letter.written_at < now() - KEPT))
