"""The OpenAPI 3.1 document of the REST API, made from the table that is served."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from .. import __version__
from ..accounts.access_token_models import MEANINGS, scope_for
from ..accounts.models import Permission
from .answers import ROOT
from .bodies import BODIES
from .operations import DOCUMENT, DOCUMENT_TYPES, MERGE, OPERATIONS, Operation
from .schemas import SCHEMAS, many, ref

Said = dict[str, Any]
TEXT_TYPES = ("application/yaml", "application/json")
REFUSALS = {
    400: "The request cannot be read: its query, its JSON, or a header.",
    401: "There is no access token, or it is not valid. See WWW-Authenticate.",
    403: "The token has no scope for this, or your role does not allow it.",
    404: "It does not exist, or not for you.",
    409: "The rules do not allow it now. The detail says what would.",
    412: "The version was changed since you read it.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "A member of the body does not fit, or the Idempotency-Key was used for another request.",
    428: "If-Match is missing.",
    500: "Something broke here. It was logged, and nothing was saved.",
}
ABOUT = """Every change is one action that the pages and the command line use, too, and one entry of the audit trail.

Times are RFC 3339 in UTC. Lists come in pages by key: `limit`, and `after`, which the `Link: <…>; rel="next"` of the page
before gives. A version has an ETag; what changes it asks for it in `If-Match`. A POST with an `Idempotency-Key` is done once
and answered alike for 24 hours. Whatever is refused is answered with a problem document (RFC 9457).

Scopes of access tokens: """


@cache
def document(server: str) -> Said:
    scopes = "; ".join(f"`{scope}`: {about}" for scope, about in MEANINGS.items())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gatewright", "version": __version__, "description": f"{ABOUT}{scopes}."},
        "servers": [{"url": server + ROOT}],
        "security": [{"accessToken": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(o.tag for o in OPERATIONS)],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer", "description": "A personal access token (gwp_…)."}
            },
            "schemas": SCHEMAS | BODIES,
            "responses": {f"Problem{status}": _problem(status) for status in REFUSALS},
            "parameters": {"IfMatch": IF_MATCH, "IdempotencyKey": KEY},
        },
    }


IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the version as it was read, or *.",
    "schema": {"type": "string"},
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A new one for each request, such as a UUID in double quotes.",
    "schema": {"type": "string", "maxLength": 257},
}


def _problem(status: int) -> Said:
    said: Said = {
        "description": REFUSALS[status],
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    if status in (401, 403):
        said["headers"] = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}}
    return said


def _paths() -> Said:
    paths: Said = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return paths


def _operation(one: Operation) -> Said:
    said: Said = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": one.summary,
        "description": one.description,
        "parameters": _parameters(one),
        "responses": _answers(one) | _refusals(one),
    }
    if one.permission == Permission.PUBLIC:
        said["security"] = []
    elif scope := scope_for(one.permission):
        said["security"] = [{"accessToken": [str(scope)]}]
    if one.body:
        said["requestBody"] = {"required": not one.is_optional, "content": _content(one)}
    return said


def _content(one: Operation) -> Said:
    if one.body == DOCUMENT:
        return {kind: {"schema": {"description": "An OpenAPI document, 10 MB at most."}} for kind in DOCUMENT_TYPES}
    kinds = ("application/json", MERGE) if one.method == "PATCH" else ("application/json",)
    return {kind: {"schema": ref(one.body)} for kind in kinds}


def _parameters(one: Operation) -> list[Said]:
    found: list[Said] = []
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", one.rule):
        schema = {"type": "integer", "minimum": 0} if kind == "int" else {"type": "string"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for parameter in one.query:
        said: Said = {"name": parameter.name, "in": "query", "description": parameter.help, "schema": parameter.schema}
        found.append(said | ({"required": True} if parameter.is_required else {}))
    if one.precondition:
        found.append({"$ref": "#/components/parameters/IfMatch"})
    if one.takes_key:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return found


def _answers(one: Operation) -> Said:
    return {str(status): _answer(one, status) for status in one.statuses}


def _answer(one: Operation, status: int) -> Said:
    said: Said = {"description": {200: "Done.", 201: "Created.", 204: "Done; there is nothing to say."}[status]}
    names = _headers(one, status)
    if names:
        said["headers"] = {name: {"schema": {"type": "string"}} for name in names}
    if one.answer == "text":
        said["content"] = {kind: {"schema": {"description": "An OpenAPI document."}} for kind in TEXT_TYPES}
    elif one.answer == "yaml":
        said["content"] = {"application/yaml": {"schema": ref("OpenApi")}}
    elif one.answer:
        said["content"] = {"application/json": {"schema": schema_of(one, status)}}
    return said


def _headers(one: Operation, status: int) -> list[str]:
    names = ["Location"] if status == 201 else []
    names += ["Link"] if one.is_paged else []
    return [*names, "ETag"] if one.has_tag else names


def schema_of(one: Operation, status: int) -> Said:
    """Of what is answered with this status. ``A | B``: of 201 the one and of 200 the other, as the table says."""
    if one.answer.startswith("["):
        page: Said = {"items": many(ref(one.answer.strip("[]"))), "next": {"type": ["string", "null"]}}
        return {"type": "object", "properties": page, "required": ["items", "next"], "additionalProperties": False}
    names = one.answer.split(" | ")
    return ref(names[0] if len(names) == 1 or status == 200 else names[1])


def _refusals(one: Operation) -> Said:
    statuses = [] if one.permission == Permission.PUBLIC else [401, 403]
    statuses += [400, 500]
    statuses += [404] if "<" in one.rule else []
    statuses += [409, 422] if one.method != "GET" else []
    statuses += [413, 415] if one.body else []
    statuses += [412, 428] if one.precondition else []
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}
