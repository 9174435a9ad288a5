"""The trail: who changed what, chained so that no entry can be altered or left out unseen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Model, now


class Action(StrEnum):
    ADMIN_CREATED = "admin.created"
    PERSON_INVITED = "person.invited"
    PERSON_JOINED = "person.joined"
    PERSON_CHANGED = "person.changed"
    PERSON_DEACTIVATED = "person.deactivated"
    PERSON_REACTIVATED = "person.reactivated"
    TEAM_CREATED = "team.created"
    LINT_RULES_CHANGED = "lint_rules.changed"
    SESSION_OPENED = "session.opened"
    SESSION_REFUSED = "session.refused"
    SESSION_ENDED = "session.ended"
    SESSION_STOLEN = "session.stolen"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET_SENT = "password.reset_sent"
    ACCESS_TOKEN_CREATED = "access_token.created"
    ACCESS_TOKEN_REVOKED = "access_token.revoked"
    API_LOG_RETENTION_CHANGED = "api.log_retention_changed"
    VERSION_IMPORTED = "version.imported"
    VERSION_EDITED = "version.edited"
    VERSION_CHANGED = "version.changed"
    VERSION_PUBLISHED = "version.published"
    VERSION_DEPRECATED = "version.deprecated"
    VERSION_RETIRED = "version.retired"
    VERSION_DISCARDED = "version.discarded"
    VERSION_CHANGES_DISCARDED = "version.changes_discarded"
    VERSION_RESTORED = "version.restored"
    VERSION_UNDEPRECATED = "version.undeprecated"
    VERSION_BLOCKED = "version.blocked"
    VERSION_UNBLOCKED = "version.unblocked"
    VERSION_STOPPED = "version.stopped"
    VERSION_STARTED = "version.started"
    VERSION_MOCKED = "version.mocked"
    SUBSCRIBERS_TOLD = "subscribers.told"
    API_VISIBILITY_CHANGED = "api.visibility_changed"
    API_FOLLOWED = "api.followed"
    API_UNFOLLOWED = "api.unfollowed"
    REVIEW_REQUESTED = "review.requested"
    REVIEW_WITHDRAWN = "review.withdrawn"
    REVIEW_APPROVED = "review.approved"
    REVIEW_CHANGES_REQUESTED = "review.changes_requested"
    REVIEW_COMMENTED = "review.commented"
    TEAM_RULES_CHANGED = "team.rules_changed"
    PLAN_CREATED = "plan.created"
    PLAN_CHANGED = "plan.changed"
    PLAN_MOVED = "plan.moved"
    SUBSCRIPTION_PAUSED = "subscription.paused"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_EXPIRED = "subscription.expired"
    SUBSCRIPTION_DATED = "subscription.dated"
    SUBSCRIPTION_MOVED = "subscription.moved"
    SUBSCRIPTION_DISCUSSED = "subscription.discussed"
    REGISTRATION_CHANGED = "registration.changed"
    PERSON_REGISTERED = "person.registered"
    APPLICATION_CREATED = "application.created"
    SUBSCRIPTION_REQUESTED = "subscription.requested"
    SUBSCRIPTION_APPROVED = "subscription.approved"
    SUBSCRIPTION_REJECTED = "subscription.rejected"
    SUBSCRIPTION_CLOSED = "subscription.closed"
    SECRET_CREATED = "secret.created"
    SECRET_REVOKED = "secret.revoked"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    TOKEN_ISSUED = "token.issued"
    TOKEN_REVOKED = "token.revoked"
    SECRET_ROTATED = "secret.rotated"
    KEY_ROTATED = "key.rotated"
    CREDENTIAL_LEAKED = "credential.leaked"
    CLIENT_KEY_REGISTERED = "client_key.registered"
    CLIENT_KEY_REVOKED = "client_key.revoked"
    CERTIFICATE_REGISTERED = "client_certificate.registered"
    CERTIFICATE_REVOKED = "client_certificate.revoked"
    JWKS_URI_CHANGED = "jwks_uri.changed"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    SIGNING_KEY_REVOKED = "signing_key.revoked"
    SHARED_SECRET_SHOWN = "shared_secret.shown"
    SHARED_SECRET_CREATED = "shared_secret.created"
    SHARED_SECRET_ROTATED = "shared_secret.rotated"
    ENCRYPTION_KEY_REGISTERED = "encryption_key.registered"
    ENCRYPTION_KEY_PROVEN = "encryption_key.proven"
    ENCRYPTION_KEY_ROTATED = "encryption_key.rotated"
    ENCRYPTION_KEY_REVOKED = "encryption_key.revoked"
    SECRETS_REWRAPPED = "secrets.rewrapped"
    RESOURCE_SERVER_NAMED = "resource_server.named"
    RESOURCE_SERVER_REMOVED = "resource_server.removed"
    NODE_INVITED = "node.invited"
    NODE_ENROLLED = "node.enrolled"
    NODE_REMOVED = "node.removed"
    LOGS_READ = "logs.read"
    LOGS_EXPORTED = "logs.exported"
    LOGS_DROPPED = "logs.dropped"
    LOGS_NOT_ARCHIVED = "logs.not_archived"
    SEARCH_SAVED = "search.saved"
    SEARCH_FORGOTTEN = "search.forgotten"
    ALERT_RULE_CREATED = "alert_rule.created"
    ALERT_RULE_CHANGED = "alert_rule.changed"
    ALERT_RULE_DELETED = "alert_rule.deleted"
    ALERT_RULE_SNOOZED = "alert_rule.snoozed"
    ALERT_RULE_SILENCED = "alert_rule.silenced"
    ALERT_RULE_UNSILENCED = "alert_rule.unsilenced"
    ALERT_RULE_TRIED = "alert_rule.tried"
    ALERT_RESENT = "alert.resent"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_REMOVED = "webhook.removed"
    AUDIT_EXPORTED = "audit.exported"
    DEMO_FILLED = "demo.filled"


# these say what is there, not what was and what is
NO_STEPS = (".created", ".imported", ".exported", ".read", ".issued", ".requested", ".registered")


@dataclass(frozen=True)
class Change:
    name: str
    before: Any
    after: Any
    is_step: bool  # from ``before`` to ``after``; else ``before`` is None


class AuditEntry(Model):
    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the place in the chain, without gaps
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor_id: Mapped[int | None] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(254))
    action: Mapped[Action] = mapped_column(String(40), index=True)
    subject_kind: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    address: Mapped[str] = mapped_column(String(45), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="", index=True)
    session: Mapped[str | None] = mapped_column(String(12), index=True)  # None: written before there was this column
    checkpoint: Mapped[int] = mapped_column(default=0)  # the last one when this was written
    hash: Mapped[str] = mapped_column(String(64), default="")  # anybody can check it
    chain: Mapped[str] = mapped_column(String(64))  # only this installation could make it

    @property
    def steps(self) -> list[Change]:
        """What was before and what is after, as far as an action says both."""
        says_both = not self.action.endswith(NO_STEPS)
        return [
            Change(k, v[0], v[1], True)
            if says_both and isinstance(v, list) and len(v) == 2
            else Change(k, None, v, False)
            for k, v in self.changes.items()
        ]

    @property
    def said(self) -> dict[str, Any]:
        """All that the links cover, as proof.py and an export write it."""
        names = ["id", "actor_id", "actor", "action", "subject_kind", "subject_id", "subject", "changes", "address"]
        names += ["request_id"] if self.session is None else ["request_id", "session", "checkpoint"]
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return {"type": "entry", "at": at} | {name: getattr(self, name) for name in names}


class AuditCheckpoint(Model):
    """A signature over everything up to one entry. Entries have no gaps, so its id is also how many there were."""

    __tablename__ = "audit_checkpoint"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # without gaps, too
    entry_id: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(default=now)
    kid: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(100))

    @property
    def said(self) -> dict[str, Any]:
        """All that the signature covers."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        said = {"type": "checkpoint", "number": self.number, "entry": self.entry_id, "hash": self.hash}
        return said | {"at": at, "kid": self.kid}
