"""What is answered: one JSON Schema for each kind. Every member is always there; what is not known is null."""

from __future__ import annotations

from ..accounts.access_token_models import Scope
from ..accounts.models import Role
from ..apis.models import State, Visibility
from ..apis.review_models import ReviewState
from ..applications.models import PlanState, SubscriptionState
from ..gateway.models import NodeState
from .bodies import CHOICES, TERMS, TIME, Schema, body, maybe, one_of

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
YES_OR_NO: Schema = {"type": "boolean"}
WHEN = maybe(TIME)
WHO = maybe({"type": "string", "description": "An e-mail address."})
STEP: Schema = {"type": "array", "minItems": 2, "maxItems": 2, "description": "Before and after."}
STEPS: Schema = {"type": "object", "additionalProperties": STEP}


def answer(**members: Schema) -> Schema:
    return body(members, *members)


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


SCHEMAS: dict[str, Schema] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457.",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": NUMBER,
            "detail": TEXT,
            "field": {"type": "string", "description": "The member of the body that it is about."},
            "errors": many(answer(pointer=TEXT, detail=TEXT)),
            "problems": many(TEXT),
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    },
    "Me": answer(
        email=TEXT,
        name=TEXT,
        role=one_of(Role),
        teams=many(TEXT),
        token=answer(name=TEXT, scopes=many(one_of(Scope)), expires_at=TIME),
    ),
    "Api": answer(
        slug=TEXT,
        name=TEXT,
        summary=TEXT,
        team=TEXT,
        visibility=one_of(Visibility),
        log_days=maybe(NUMBER),
        created_at=TIME,
        versions=many(answer(version=TEXT, state=one_of(State))),
    ),
    "Version": answer(
        api=TEXT,
        version=TEXT,
        name=TEXT,
        state=one_of(State),
        operations=NUMBER,
        scopes=many(TEXT),
        url=maybe(TEXT),
        audience=TEXT,
        revision=NUMBER,
        edits=NUMBER,
        has_changes=YES_OR_NO,
        choices=ref("Choices"),
        mocked=YES_OR_NO,
        created_at=TIME,
        created_by=WHO,
        published_at=WHEN,
        published_by=WHO,
        deprecated_at=WHEN,
        sunset_at=WHEN,
        successor=maybe(TEXT),
        deprecation_note=TEXT,
        retired_at=WHEN,
        retire_reason=TEXT,
        blocked_at=WHEN,
        block_reason=TEXT,
        stopped_at=WHEN,
        stop_reason=TEXT,
    ),
    "Choices": answer(**CHOICES),
    "Preview": answer(
        revision=NUMBER,
        document=many(TEXT),
        choices=STEPS,
        plans=many(TEXT),
        subscribers=NUMBER,
        nodes=NUMBER,
        breaks=answer(callers=NUMBER, applications=NUMBER, calls=NUMBER, days=NUMBER),
        who_breaks=TEXT,
        needs_two=YES_OR_NO,
        refusal=TEXT,
    ),
    "Revision": answer(
        number=NUMBER,
        note=TEXT,
        created_at=TIME,
        created_by=WHO,
        choices=ref("Choices"),
        plans=many(answer(name=TEXT, state=one_of(PlanState), **TERMS)),
    ),
    "Comparison": answer(before=NUMBER, after=NUMBER, document=many(TEXT), choices=STEPS, plans=many(TEXT)),
    "Review": answer(
        id=NUMBER,
        state=one_of(ReviewState),
        message=TEXT,
        requested_at=TIME,
        requested_by=WHO,
        answer=TEXT,
        decided_at=WHEN,
        decided_by=WHO,
        comments=many(ref("Comment")),
    ),
    "Comment": answer(id=NUMBER, text=TEXT, operation=TEXT, line=maybe(NUMBER), written_at=TIME, written_by=WHO),
    "Plan": answer(name=TEXT, state=one_of(PlanState), created_at=TIME, **TERMS),
    "Application": answer(
        id=NUMBER, name=TEXT, description=TEXT, team=TEXT, client_id=TEXT, created_at=TIME, created_by=WHO
    ),
    "Subscription": answer(
        id=NUMBER,
        application=answer(id=NUMBER, name=TEXT, client_id=TEXT),
        api=TEXT,
        version=TEXT,
        plan=maybe(TEXT),
        state=one_of(SubscriptionState),
        message=TEXT,
        reason=TEXT,
        requested_at=TIME,
        requested_by=WHO,
        decided_at=WHEN,
        decided_by=WHO,
        expires_at=WHEN,
        paused_by=many(one_of(("owner", "consumer"))),
        closed_at=WHEN,
    ),
    "Message": answer(id=NUMBER, text=TEXT, written_at=TIME, written_by=WHO),
    "CatalogEntry": answer(
        api=TEXT,
        version=TEXT,
        name=TEXT,
        summary=TEXT,
        team=TEXT,
        state=one_of(State),
        url=maybe(TEXT),
        operations=NUMBER,
        accepts=CHOICES["accepts"],
        sunset_at=WHEN,
        plans=many(TEXT),
    ),
    "Node": answer(
        id=NUMBER,
        name=TEXT,
        state=one_of(NodeState),
        is_silent=YES_OR_NO,
        serves=YES_OR_NO,
        software=TEXT,
        enrolled_at=TIME,
        seen_at=WHEN,
        applied_generation=NUMBER,
        error=TEXT,
    ),
    "AuditEntry": answer(
        id=NUMBER,
        at=TIME,
        actor=TEXT,
        action=TEXT,
        subject_kind=TEXT,
        subject_id=TEXT,
        subject=TEXT,
        changes={"type": "object"},
        address=TEXT,
        request_id=TEXT,
        session=maybe(TEXT),
        hash=TEXT,
    ),
    "LogRecord": answer(
        id=TEXT,
        at=TIME,
        api=TEXT,
        application=TEXT,
        client_id=TEXT,
        node=TEXT,
        method=TEXT,
        path=TEXT,
        operation=TEXT,
        status=NUMBER,
        duration_us=NUMBER,
        backend_us=maybe(NUMBER),
        request_bytes=NUMBER,
        response_bytes=NUMBER,
        credential=TEXT,
        jti=TEXT,
        request_id=TEXT,
        trace_id=TEXT,
        client_address=TEXT,
        country=TEXT,
        user_agent=TEXT,
        reason=TEXT,
    ),
    "Person": answer(
        id=NUMBER, email=TEXT, name=TEXT, role=one_of(Role), teams=many(TEXT), is_active=YES_OR_NO, created_at=TIME
    ),
    "Team": answer(id=NUMBER, name=TEXT, review_required=YES_OR_NO, four_eyes=YES_OR_NO),
    "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
}
