"""What a program sees when something is refused or broke: a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..errors import Refused

PREFIX = "/api/"
WORDS = {
    400: "The request cannot be read.",
    404: "There is nothing at this address. /api/v1/openapi.json says what there is.",
    405: "This address knows other methods; Allow names them.",
    413: "The body is too large.",
}


def wanted() -> bool:
    """Whether who asks is a program, also where there is no view for what it asks."""
    return request.path.startswith(PREFIX)


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """``more``: members of its own, such as ``errors``."""
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail} | more
    answer = Response(orjson.dumps(said), status, mimetype="application/problem+json")
    answer.headers.update(dict(headers or {}))
    return answer


def of_refused(error: Refused) -> Response:
    """What belongs to one member of the body is 422, else what the rules do not allow now is 409."""
    more = {"field": error.field} if error.field else {}
    more |= {name: getattr(error, name) for name in ("errors", "problems") if getattr(error, name, None)}
    status = 422 if error.status == 409 and error.field else error.status
    return problem(status, error.message, headers=getattr(error, "headers", None), **more)


def of_http(error: HTTPException) -> Response:
    status = error.code or 500
    allowed = error.valid_methods if isinstance(error, MethodNotAllowed) else None
    headers = {"Allow": ", ".join(sorted(allowed))} if allowed else None
    return problem(status, WORDS.get(status, error.description or ""), headers=headers)
