"""Personal access tokens: what a program shows to act as a person, within some of what she may do."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Model, now
from .models import EVERYBODY, Permission, Person

P = Permission


class Scope(StrEnum):
    APIS_READ = "apis:read"
    APIS_WRITE = "apis:write"
    APIS_REVIEW = "apis:review"
    CATALOG_READ = "catalog:read"
    APPLICATIONS_READ = "applications:read"
    APPLICATIONS_WRITE = "applications:write"
    SUBSCRIPTIONS_DECIDE = "subscriptions:decide"
    LOGS_READ = "logs:read"
    NODES_READ = "nodes:read"
    AUDIT_READ = "audit:read"
    PEOPLE_READ = "people:read"


_READS_APPLICATIONS = {P.READ_APPLICATIONS, P.READ_ALL_APPLICATIONS}
SCOPES: dict[Scope, frozenset[Permission]] = {
    Scope.APIS_READ: frozenset({P.READ_APIS}),
    Scope.APIS_WRITE: frozenset({P.READ_APIS, P.MANAGE_APIS}),
    Scope.APIS_REVIEW: frozenset({P.READ_APIS, P.REVIEW_APIS}),
    Scope.CATALOG_READ: frozenset({P.READ_CATALOG}),
    Scope.APPLICATIONS_READ: frozenset(_READS_APPLICATIONS),
    Scope.APPLICATIONS_WRITE: frozenset(_READS_APPLICATIONS | {P.USE_APPLICATIONS, P.READ_CATALOG}),
    Scope.SUBSCRIPTIONS_DECIDE: frozenset(_READS_APPLICATIONS | {P.DECIDE_SUBSCRIPTIONS}),
    Scope.LOGS_READ: frozenset({P.READ_LOGS}),
    Scope.NODES_READ: frozenset({P.READ_NODES}),
    Scope.AUDIT_READ: frozenset({P.READ_AUDIT}),
    Scope.PEOPLE_READ: frozenset({P.READ_PEOPLE}),
}
MEANINGS: dict[Scope, str] = {
    Scope.APIS_READ: "read APIs, their versions, documents, revisions, plans and reviews",
    Scope.APIS_WRITE: "import, change, publish, deprecate, stop and retire them",
    Scope.APIS_REVIEW: "comment on reviews and decide them",
    Scope.CATALOG_READ: "search the catalog",
    Scope.APPLICATIONS_READ: "read applications, their subscriptions and their calls",
    Scope.APPLICATIONS_WRITE: "create applications, ask for subscriptions, pause and end them",
    Scope.SUBSCRIPTIONS_DECIDE: "approve, reject, pause, move, date and end subscriptions as the owner of the API",
    Scope.LOGS_READ: "search the request log",
    Scope.NODES_READ: "read gateway nodes",
    Scope.AUDIT_READ: "read the audit trail",
    Scope.PEOPLE_READ: "read people and teams",
}


def scope_for(permission: Permission) -> Scope | None:
    """The one with the least beside it that holds the permission; None: every token does, or none can."""
    holding = [scope for scope, held in SCOPES.items() if permission in held]
    return min(holding, key=lambda scope: len(SCOPES[scope]), default=None)


class AccessToken(Model):
    __tablename__ = "access_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    scopes: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # to the hour
    revoked_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()

    @property
    def is_good(self) -> bool:
        return self.revoked_at is None and self.expires_at > now() and self.person.is_active

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.expires_at > now() else "expired"

    @property
    def permissions(self) -> frozenset[Permission]:
        """Of its scopes; what the person may do at that moment counts besides."""
        return EVERYBODY.union(*(SCOPES[Scope(scope)] for scope in self.scopes))

    @property
    def reference(self) -> str:
        """For the audit trail, where it stands in the place of a browser session; it opens nothing."""
        return self.digest[:12]
