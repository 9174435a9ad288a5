"""Sessions that live on the server: the cookie is a random number, the table keeps its hash.

A session that turns up in another browser is taken for stolen and ends; it rotates when somebody signs in; it ends
for good at its expiry, when she signs out, and when her password changes.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from flask import Flask, Request, Response, flash, g, request, session
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import Select, bindparam, case, delete, select, update
from sqlalchemy.orm import contains_eager
from werkzeug.datastructures import CallbackDict

from ..accounts.models import ROLES, Membership, Permission, Person, Team
from ..accounts.models import Session as Row
from ..applications.queries import pending, pending_count
from ..audit.actions import Origin, origin, record
from ..audit.models import Action
from ..db import db, now, unit_of_work
from ..runtime import runtime

SAFE = frozenset({"GET", "HEAD"})
# who is told in the navigation how many wait
TOLD = [role for role, held in ROLES.items() if Permission.READ_ALL_APPLICATIONS in held]
SEEN_EVERY = timedelta(minutes=5)
REFERENCE = 12  # hexadecimal digits
ANONYMOUS_LASTS = timedelta(hours=1)


class ServerSession(CallbackDict[str, Any], SessionMixin):
    def __init__(self, data: dict[str, Any] | None = None, sid: str = "") -> None:
        def noted(_: Any) -> None:
            self.modified = True

        super().__init__(data or {}, noted)
        self.sid = sid
        self.modified = False
        self.stolen = False

    @property
    def digest(self) -> str:
        return _digest(self.sid)

    @property
    def reference(self) -> str:
        """For the audit trail: it tells sessions apart and opens none."""
        return self.digest[:REFERENCE] if self.sid else ""


class ServerSessions(SessionInterface):
    def open_session(self, app: Flask, request: Request) -> ServerSession:
        sid = request.cookies.get(cookie_name(), "")
        row, person, waiting = _look_up(_digest(sid)) if sid else (None, None, 0)
        if row is None or row.expires_at <= now():
            return ServerSession()
        if row.browser != _browser(request):
            _end_stolen(row)
            fresh = ServerSession()
            fresh.stolen = True
            return fresh
        g.session_row, g.session_seen_at = row, row.seen_at
        g.session_person, g.waiting = person, waiting  # held, so that whoever asks for her finds her in the session
        return ServerSession(dict(row.data), sid)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing: `store` has done it, before the commit."""


def _look_up(digest: str) -> tuple[Row | None, Person | None, int]:
    """The session, whose it is with her teams, and how many subscriptions wait for her: what nearly every page asks, at once."""
    found = db.session.execute(_question(), {"digest": digest}).unique().first()
    return (found[0], found[1], int(found[2])) if found else (None, None, 0)


@cache
def _question() -> Select[Any]:
    """Joins one behind the other: of `joinedload`'s, one within the other, SQLite reads all teams of all people."""
    waiting = case((Person.role.in_(TOLD), pending().scalar_subquery()), else_=0)
    query = select(Row, Person, waiting).outerjoin(Person, Person.id == Row.person_id)
    query = query.outerjoin(Membership, Membership.person_id == Person.id).outerjoin(
        Team, Team.id == Membership.team_id
    )
    query = query.options(contains_eager(Person.teams)).order_by(Team.name)
    return query.where(Row.digest == bindparam("digest"))


def waiting() -> int:
    """Subscriptions that wait for a decision, as when the request began; afterwards it may have decided some."""
    return int(g.waiting) if request.method in SAFE and "waiting" in g else pending_count()


def store(response: Response) -> None:
    """Write the session down and set its cookie, when it changed; part of the request's transaction."""
    if not isinstance(session._get_current_object(), ServerSession):  # type: ignore[attr-defined]
        return
    current: ServerSession = session._get_current_object()  # type: ignore[attr-defined]
    if not current.modified or (not current and not current.sid):
        return
    if not current.sid:
        current.sid = secrets.token_urlsafe(32)
    row = db.session.get(Row, current.digest)
    if row is None:
        row = Row(digest=current.digest, browser=_browser(request), expires_at=now() + _lasts(current))
        row.agent, row.address = str(request.user_agent)[:200], request.remote_addr or ""
        db.session.add(row)
    row.data = dict(current)
    row.person_id = int(current["_user_id"]) if "_user_id" in current else None
    _set_cookie(response, current.sid)


def _lasts(current: ServerSession) -> timedelta:
    return timedelta(hours=runtime().config.session_hours) if "_user_id" in current else ANONYMOUS_LASTS


def _set_cookie(response: Response, sid: str) -> None:
    https = runtime().config.https
    response.set_cookie(cookie_name(), sid, path="/", httponly=True, samesite="Lax", secure=https)


def cookie_name() -> str:
    # the prefix makes browsers refuse it from a sub-domain or over plain HTTP (RFC 6265bis section 4.1.3.2)
    return "__Host-gatewright" if runtime().config.https else "gatewright"


def rotate() -> None:
    """A new number from here on; whoever planted or read the old one has nothing."""
    current: ServerSession = session._get_current_object()  # type: ignore[attr-defined]
    if current.sid:
        db.session.execute(delete(Row).where(Row.digest == current.digest))
    current.sid, current.modified = secrets.token_urlsafe(32), True
    origin.set(replace(origin.get(), session=current.reference))
    db.session.execute(delete(Row).where(Row.expires_at < now()))  # a good moment to forget what has ended


def end() -> None:
    current: ServerSession = session._get_current_object()  # type: ignore[attr-defined]
    if current.sid:
        db.session.execute(delete(Row).where(Row.digest == current.digest))
    current.clear()
    current.sid, current.modified = "", False


def note_seen() -> None:
    """Now and then, in a transaction of its own after the request's."""
    seen_at = g.get("session_seen_at")  # not asked of the row: the request may have ended that session
    sid = request.cookies.get(cookie_name(), "")
    if seen_at is not None and now() - seen_at > SEEN_EVERY:
        with unit_of_work():
            db.session.execute(update(Row).where(Row.digest == _digest(sid)).values(seen_at=now()))


def _end_stolen(row: Row) -> None:
    digest, person_id = row.digest, row.person_id
    origin.set(
        Origin(request.remote_addr or "", session=digest[:REFERENCE])
    )  # else it is that of this thread's request before
    db.session.rollback()
    with unit_of_work():
        gone = db.session.execute(delete(Row).where(Row.digest == digest))
        person = db.session.get(Person, person_id) if person_id else None
        if person is not None and gone.rowcount:  # type: ignore[attr-defined]
            record(Action.SESSION_STOLEN, person, changes={"browser": str(request.user_agent)[:200]})


def tell_if_stolen() -> None:
    current = session._get_current_object()  # type: ignore[attr-defined]
    if getattr(current, "stolen", False):
        flash("That session was opened in another browser, so it has been ended. Sign in again.", "bad")


def reference() -> str:
    """Of the session that this request came with."""
    return str(getattr(session._get_current_object(), "reference", ""))  # type: ignore[attr-defined]


def _browser(request: Request) -> str:
    return hashlib.sha256(str(request.user_agent).encode()).hexdigest()


def _digest(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def needs_writing() -> bool:
    current = session._get_current_object()  # type: ignore[attr-defined]
    return isinstance(current, ServerSession) and current.modified and bool(current or current.sid)
