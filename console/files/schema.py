"""The form of the files that `gatewright apply` reads and `gatewright export` writes, as a JSON Schema."""

from __future__ import annotations

from ..apis.models import Visibility
from ..applications.models import PlanState
from ..rest.bodies import CHOICES, COUNT, TERMS, TIME, Schema, body, maybe, one_of, text

VERSION_STATES = ("draft", "published", "deprecated", "blocked", "retired")
SUBSCRIPTION_STATES = ("pending", "active", "paused", "closed")
SIDES = ("owner", "consumer")
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$"}
NUMBER: Schema = {"type": "string", "pattern": "^[0-9A-Za-z][0-9A-Za-z.+_-]{0,39}$"}
YES_OR_NO: Schema = {"type": "boolean"}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items}


PLAN = body({"name": NAME, "state": one_of(PlanState)} | TERMS, "name", "title")
VERSION = body(
    {
        "version": NUMBER,
        "state": one_of(VERSION_STATES),
        "document": {"type": "string"},
        "document_file": text(500, 1),
        "choices": body(CHOICES),
        "plans": several(PLAN),
        "mocked": YES_OR_NO,
        "sunset_at": TIME,
        "successor": NUMBER,
        "note": text(500),
        "reason": text(500),
        "stopped": text(500, 1),
    },
    "version",
    "state",
)
API = body(
    {
        "api": NAME,
        "team": text(80, 1),
        "visibility": one_of(Visibility),
        "log_days": maybe(COUNT),
        "versions": several(VERSION),
    },
    "api",
    "team",
)
SUBSCRIPTION = body(
    {
        "api": NAME,
        "version": NUMBER,
        "plan": NAME,
        "state": one_of(SUBSCRIPTION_STATES),
        "message": text(500),
        "reason": text(500),
        "paused_by": several(one_of(SIDES)),
        "expires_at": maybe(TIME),
    },
    "api",
    "version",
    "state",
)
APPLICATION = body(
    {
        "application": text(80, 1),
        "team": text(80, 1),
        "description": text(300),
        "subscriptions": several(SUBSCRIPTION),
    },
    "application",
    "team",
)
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Gatewright file",
    **body({"apis": several(API), "applications": several(APPLICATION)}),
}
