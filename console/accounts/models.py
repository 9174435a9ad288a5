"""Teams, people, what a role may do, and the rows behind sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Model, now


class Permission(StrEnum):
    """What a route may ask for. Views name these, never roles."""

    PUBLIC = "public"  # anybody, signed in or not
    SIGNED_IN = "signed_in"
    READ_APIS = "read_apis"
    MANAGE_APIS = "manage_apis"
    REVIEW_APIS = "review_apis"
    READ_CATALOG = "read_catalog"
    USE_APPLICATIONS = "use_applications"
    READ_APPLICATIONS = "read_applications"  # of her teams
    READ_ALL_APPLICATIONS = "read_all_applications"
    DECIDE_SUBSCRIPTIONS = "decide_subscriptions"
    READ_LOGS = "read_logs"
    READ_NODES = "read_nodes"
    MANAGE_NODES = "manage_nodes"
    READ_KEYS = "read_keys"
    MANAGE_KEYS = "manage_keys"
    READ_AUDIT = "read_audit"
    READ_PEOPLE = "read_people"
    MANAGE_PEOPLE = "manage_people"
    READ_SETTINGS = "read_settings"


P = Permission
EVERYBODY = frozenset({P.PUBLIC, P.SIGNED_IN})


class Role(StrEnum):
    ADMIN = "admin"
    DEVELOPER = "developer"
    AUDITOR = "auditor"

    @property
    def permissions(self) -> frozenset[Permission]:
        return ROLES[self]


ROLES: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(P),
    Role.DEVELOPER: EVERYBODY | {P.READ_CATALOG, P.READ_APPLICATIONS, P.USE_APPLICATIONS},
    Role.AUDITOR: EVERYBODY
    | {
        P.READ_APIS,
        P.READ_CATALOG,
        P.READ_APPLICATIONS,
        P.READ_ALL_APPLICATIONS,
        P.READ_LOGS,
        P.READ_NODES,
        P.READ_KEYS,
        P.READ_AUDIT,
    }
    | {P.READ_PEOPLE, P.READ_SETTINGS},
}


class Team(Model):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    review_required: Mapped[bool] = mapped_column(default=False)  # nothing is published without an approved review
    four_eyes: Mapped[bool] = mapped_column(default=False)  # and not one approved by who asked for it
    lint_rules: Mapped[dict[str, Any] | None]  # rule to severity or `off`, where it is not as in our rule set
    people: Mapped[list[Person]] = relationship(back_populates="teams", secondary="membership")


class Membership(Model):
    __tablename__ = "membership"
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)


class Person(Model):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[Role] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)
    deactivated_at: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]
    teams: Mapped[list[Team]] = relationship(back_populates="people", secondary="membership", order_by="Team.name")

    # what flask-login asks of a user
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.deactivated_at is None

    def get_id(self) -> str:
        return str(self.id)

    within: ClassVar[frozenset[Permission] | None] = None  # of this object alone, see `limit_to`

    def may(self, permission: Permission) -> bool:
        held = Role(self.role).permissions
        return self.is_active and permission in (held if self.within is None else held & self.within)

    def limit_to(self, permissions: frozenset[Permission]) -> None:
        """For as long as this object lives she may do no more than these, as with a token of few scopes."""
        self.__dict__["within"] = permissions

    @property
    def team_ids(self) -> list[int]:
        return [team.id for team in self.teams]

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


class Session(Model):
    """A browser's session. The id is kept as a hash: who reads this table cannot use it."""

    __tablename__ = "session"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    browser: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Purpose(StrEnum):
    SETUP = "setup"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"
    ENROLMENT = "enrolment"
    REGISTRATION = "registration"


class Link(Model):
    """A one-time link: good once, until it expires."""

    __tablename__ = "link"
    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[Purpose] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(254), default="")
    role: Mapped[str] = mapped_column(String(20), default="")
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str] = mapped_column(String(80), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    team: Mapped[Team | None] = relationship()

    @property
    def is_open(self) -> bool:
        return self.used_at is None and self.expires_at > now()


class Throttle(Model):
    """Failed sign-ins of one account or one address; each failure past the free ones doubles the wait."""

    __tablename__ = "throttle"
    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime] = mapped_column(default=now)
    blocked_until: Mapped[datetime | None]

    def wait(self) -> timedelta:
        return max((self.blocked_until or now()) - now(), timedelta())


class SentForm(Model):
    """A form that was sent: the same one sent again is answered with where the first led."""

    __tablename__ = "sent_form"
    __table_args__ = (UniqueConstraint("person_id", "token"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Setting(Model):
    """What an admin decides for the whole installation, in the browser."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(default=dict)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
