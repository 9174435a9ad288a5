"""What may be sent: one JSON Schema for each body. Members that are not named here are refused."""

from __future__ import annotations

from typing import Any

from ..apis.models import Accepts, Dpop, Visibility
from ..applications.models import Approval, Period
from ..credentials.algorithms import CONTENT, CURVES, ENCRYPTION, SIGNING
from ..credentials.models import Source

Schema = dict[str, Any]
TIME: Schema = {"type": "string", "format": "date-time"}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}


def text(longest: int, least: int = 0) -> Schema:
    return {"type": "string", "minLength": least, "maxLength": longest, "pattern": "^[^\\u0000]*$"}


def one_of(values: Any) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def some(items: Schema, most: int = 100) -> Schema:
    return {"type": "array", "items": items, "maxItems": most, "uniqueItems": True}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def body(properties: dict[str, Schema], *required: str) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | ({"required": list(required)} if required else {})


NAME = {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z0-9-]+$"}
REASON = text(500, 1)
CHOICES: dict[str, Schema] = {
    "backend_url": text(300),
    "gateway_path": text(120),
    "accepts": some(one_of(Accepts)),
    "token_lifetime_s": COUNT,
    "signing_alg": one_of(SIGNING),
    "encryption_alg": one_of(ENCRYPTION),
    "encryption_curve": one_of(CURVES),
    "content_alg": one_of(CONTENT),
    "key_source": one_of(Source),
    "dpop": one_of(Dpop),
    "log_bodies": {"type": "boolean"},
    "log_body_bytes": COUNT,
}
TERMS: dict[str, Schema] = {
    "title": text(80, 1),
    "description": text(300),
    "approval": one_of(Approval),
    "takes": some(one_of(Accepts)),
    "scopes": some(text(100)),
    "rate_requests": maybe(COUNT),
    "rate_per_s": COUNT,
    "quota_requests": maybe(COUNT),
    "quota_period": one_of(Period),
}
BODIES: dict[str, Schema] = {
    "ApiChange": body({"visibility": one_of(Visibility), "log_days": maybe(COUNT)}),
    "ChoicesChange": body(CHOICES),
    "Publishing": body({"choices": body(CHOICES), "note": text(500), "dry_run": {"type": "boolean"}}),
    "Deprecation": body({"sunset_at": TIME, "successor": maybe(text(40)), "note": text(500)}, "sunset_at"),
    "Reason": body({"reason": REASON}, "reason"),
    "OptionalReason": body({"reason": text(500)}),
    "Mocking": body({"mocked": {"type": "boolean"}}, "mocked"),
    "Restoring": body({"serve": {"type": "boolean"}}),
    "ReviewRequest": body({"message": text(1000)}),
    "ReviewAnswer": body({"answer": text(1000)}),
    "CommentText": body({"text": text(2000, 1), "operation": text(300), "line": maybe(COUNT)}, "text"),
    "NewPlan": body({"name": NAME} | TERMS, "name", "title"),
    "PlanChange": body(TERMS),
    "NewApplication": body({"name": text(80, 1), "description": text(300), "team": text(80, 1)}, "name", "team"),
    "NewSubscription": body(
        {"api": text(60, 1), "version": text(40, 1), "plan": maybe(NAME), "message": text(500)}, "api", "version"
    ),
    "Approval": body({"expires_at": maybe(TIME)}),
    "PlanName": body({"plan": NAME}, "plan"),
    "Ending": body({"expires_at": maybe(TIME)}, "expires_at"),
    "NewMessage": body({"text": text(2000, 1)}, "text"),
}
