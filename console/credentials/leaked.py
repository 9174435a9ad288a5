"""A credential that turned up where it should not: whose it is, what it opens, and telling its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select

from ..accounts.models import Permission, Person
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, unit_of_work
from ..logs.calls import Calls, calls_of
from ..runtime import runtime
from .models import ApiKey, ClientSecret
from .secrets import API_KEY, CLIENT_SECRET, digest, well_formed
from .upkeep import KINDS, tell_team

PREFIXES: dict[str, type[ClientSecret] | type[ApiKey]] = {CLIENT_SECRET: ClientSecret, API_KEY: ApiKey}
LOOK_BACK = timedelta(days=30)


@dataclass(frozen=True)
class Suspect:
    """``row`` None: not ours, or not for this person to know. ``mistyped``: it looks like ours, but its checksum is off."""

    row: ClientSecret | ApiKey | None
    mistyped: bool = False

    @property
    def what(self) -> str:
        return KINDS[type(self.row)] if self.row is not None else ""

    @property
    def kind(self) -> str:
        """As addresses call it."""
        return "keys" if isinstance(self.row, ApiKey) else "secrets"


def find_suspect(text: str, *, by: Person | None = None) -> Suspect:
    """The credential that this text is. ``by``: only when she may read about its application."""
    text = text.strip()
    kind = next(
        (k for k, prefix in ((ClientSecret, CLIENT_SECRET), (ApiKey, API_KEY)) if text.startswith(prefix + "_")), None
    )
    if kind is None:
        return Suspect(None)
    if not well_formed(text, API_KEY if kind is ApiKey else CLIENT_SECRET):
        return Suspect(None, mistyped=True)
    row = cast("ClientSecret | ApiKey | None", db.session.scalars(select(kind).filter_by(digest=digest(text))).first())
    if row is not None and by is not None and not _may_know(by, row.application):
        row = None
    return Suspect(row)


def _may_know(person: Person, application: Application) -> bool:
    return person.may(Permission.READ_ALL_APPLICATIONS) or application.team_id in person.team_ids


@dataclass(frozen=True)
class Radius:
    """What whoever has the credential can do, and what was done with it lately."""

    opens: list[str]
    scopes: list[str]
    calls: Calls
    since: datetime


def blast_radius(row: ClientSecret | ApiKey) -> Radius:
    active = [s.version for s in row.application.subscriptions if s.is_active and s.version.is_serving]
    opened = [v for v in active if (v.takes("key") if isinstance(row, ApiKey) else v.takes_tokens)]
    scopes = sorted({scope for v in opened for scope in v.scopes if not row.scopes or scope in row.scopes})
    since = now() - LOOK_BACK
    calls = calls_of(row.application.client_id, row.jti if isinstance(row, ApiKey) else "", since)
    return Radius([v.name for v in opened], scopes, calls, since)


def report_leak(text: str) -> bool:
    """Somebody outside found it. The owner is told, once; whoever reports learns only whether it was taken on."""
    row = find_suspect(text).row
    if row is None or not row.is_good:
        return False
    if row.leaked_at is None:
        with unit_of_work():  # only now: anybody may report, and nobody should wait for a guess
            _note_leak(cast("ClientSecret | ApiKey", db.session.get_one(type(row), row.id)))
    return True


def _note_leak(row: ClientSecret | ApiKey) -> None:
    if row.leaked_at is not None:
        return
    row.leaked_at = now()
    record(Action.CREDENTIAL_LEAKED, row, changes={"application": row.application.name})
    what = KINDS[type(row)]
    tell_team(
        row.application,
        f"{what[0].upper()}{what[1:]} of {row.application.name} found in the open",
        f"Somebody reported the {what} {row.name or row.hint} of {row.application.name}: it is known outside. It still "
        f"works. Replace or revoke it now:\n\n{runtime().config.public_url}/applications/{row.application_id}\n",
    )
