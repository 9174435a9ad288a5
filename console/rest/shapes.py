"""Rows as they are answered; the names are those of schemas.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..accounts.models import Person, Team
from ..apis.choices import Choices
from ..apis.models import Api, ApiVersion, Revision
from ..apis.review_models import Review, ReviewComment
from ..applications.models import Application, Plan, Subscription, SubscriptionMessage
from ..applications.plans import Terms
from ..audit.models import AuditEntry
from ..gateway.models import Node
from .answers import time

Said = dict[str, Any]


def who(person: Person | None) -> str | None:
    return person.email if person else None


def of_person(person: Person) -> Said:
    said = {"id": person.id, "email": person.email, "name": person.name, "role": str(person.role)}
    return said | {
        "teams": [team.name for team in person.teams],
        "is_active": person.is_active,
        "created_at": time(person.created_at),
    }


def of_team(team: Team) -> Said:
    said = {"id": team.id, "name": team.name}
    return said | {"review_required": team.review_required, "four_eyes": team.four_eyes}


def of_api(api: Api) -> Said:
    return {
        "slug": api.slug,
        "name": api.name,
        "summary": api.summary,
        "team": api.team.name,
        "visibility": str(api.visibility),
        "log_days": api.log_days,
        "created_at": time(api.created_at),
        "versions": [{"version": v.version, "state": str(v.state)} for v in api.versions],
    }


def of_version(version: ApiVersion) -> Said:
    return {
        "api": version.api.slug,
        "version": version.version,
        "name": version.name,
        "state": str(version.state),
        "operations": version.operations,
        "scopes": version.scopes,
        "url": version.url if version.gateway_path else None,
        "audience": version.audience,
        "revision": version.revision,
        "edits": version.edits,
        "has_changes": version.draft is not None,
        "choices": asdict(Choices.read(version.draft.choices) if version.draft else Choices.of(version)),
        "mocked": version.mocked,
        **_moments(version),
    }


def _moments(version: ApiVersion) -> Said:
    return {
        "created_at": time(version.created_at),
        "created_by": who(version.created_by),
        "published_at": time(version.published_at),
        "published_by": who(version.published_by),
        "deprecated_at": time(version.deprecated_at),
        "sunset_at": time(version.sunset_at),
        "successor": version.successor.version if version.successor else None,
        "deprecation_note": version.deprecation_note,
        "retired_at": time(version.retired_at),
        "retire_reason": version.retire_reason,
        "blocked_at": time(version.blocked_at),
        "block_reason": version.block_reason,
        "stopped_at": time(version.stopped_at),
        "stop_reason": version.stop_reason,
    }


def of_revision(revision: Revision) -> Said:
    return {
        "number": revision.number,
        "note": revision.note,
        "created_at": time(revision.created_at),
        "created_by": who(revision.created_by),
        "choices": asdict(Choices.read(revision.content)),
        "plans": revision.content.get("plans", []),
    }


def of_review(review: Review) -> Said:
    return {
        "id": review.id,
        "state": str(review.state),
        "message": review.message,
        "requested_at": time(review.requested_at),
        "requested_by": who(review.requested_by),
        "answer": review.answer,
        "decided_at": time(review.decided_at),
        "decided_by": who(review.decided_by),
        "comments": [of_comment(one) for one in review.comments],
    }


def of_comment(comment: ReviewComment) -> Said:
    said = {"id": comment.id, "text": comment.text, "operation": comment.operation, "line": comment.line}
    return said | {"written_at": time(comment.written_at), "written_by": who(comment.person)}


def of_plan(plan: Plan) -> Said:
    said = {"name": plan.name, "state": str(plan.state), "created_at": time(plan.created_at)}
    return said | {k: str(v) if isinstance(v, str) else v for k, v in asdict(Terms.of(plan)).items()}


def of_application(application: Application) -> Said:
    said = {name: getattr(application, name) for name in ("id", "name", "description", "client_id")}
    said |= {"team": application.team.name, "created_by": who(application.created_by)}
    return said | {"created_at": time(application.created_at)}


def of_subscription(one: Subscription) -> Said:
    application = one.application
    return {
        "id": one.id,
        "application": {"id": application.id, "name": application.name, "client_id": application.client_id},
        "api": one.version.api.slug,
        "version": one.version.version,
        "plan": one.plan.name if one.plan else None,
        "state": str(one.state),
        "message": one.message,
        "reason": one.reason,
        "requested_at": time(one.requested_at),
        "requested_by": who(one.requested_by),
        "decided_at": time(one.decided_at),
        "decided_by": who(one.decided_by),
        "expires_at": time(one.expires_at),
        "paused_by": one.paused_by.split(" and ") if one.paused_by else [],
        "closed_at": time(one.closed_at),
    }


def of_message(message: SubscriptionMessage) -> Said:
    said = {"id": message.id, "text": message.text, "written_at": time(message.written_at)}
    return said | {"written_by": who(message.person)}


def of_catalog(version: ApiVersion, plans: list[Plan]) -> Said:
    return {
        "api": version.api.slug,
        "version": version.version,
        "name": version.name,
        "summary": version.api.summary,
        "team": version.api.team.name,
        "state": str(version.state),
        "url": version.url if version.gateway_path else None,
        "operations": version.operations,
        "accepts": version.accepts,
        "sunset_at": time(version.sunset_at),
        "plans": [plan.name for plan in plans],
    }


def of_node(node: Node) -> Said:
    said = {name: getattr(node, name) for name in ("id", "name", "serves", "software", "applied_generation", "error")}
    said |= {"state": str(node.state), "is_silent": node.is_silent}
    return said | {"enrolled_at": time(node.enrolled_at), "seen_at": time(node.seen_at)}


AUDITED = (
    "id",
    "actor",
    "subject_kind",
    "subject_id",
    "subject",
    "changes",
    "address",
    "request_id",
    "session",
    "hash",
)


def of_entry(entry: AuditEntry) -> Said:
    return {name: getattr(entry, name) for name in AUDITED} | {"at": time(entry.at), "action": str(entry.action)}


LOGGED = (
    "client_id", "method", "path", "operation", "status", "duration_us", "request_bytes", "response_bytes", "credential",
    "jti", "request_id", "trace_id", "client_address", "country", "user_agent", "reason",
)  # fmt: skip


def of_record(named: Said) -> Said:
    """As `logs.naming.named_rows` gives them. The id is text: it has more digits than a JSON number keeps everywhere."""
    row, version, application = named["r"], named["version"], named["application"]
    said = {name: getattr(row, name) for name in LOGGED} | {"id": str(row.id), "at": time(named["at"])}
    return said | {
        "api": version.label if version else "",
        "application": application.name if application else "",
        "node": named["node"],
        "backend_us": row.backend_us if row.backend_us >= 0 else None,
    }
