"""What a node asks for where a version is a draft and its mock is on: ``/mock/<number of the version>/<path>``.

The node puts its own credential into the request; nobody else is answered.
"""

from __future__ import annotations

from collections import OrderedDict

from sqlalchemy import select

from ..apis.mock import Mock, MockAnswer
from ..apis.mock_request import MockRequest
from ..apis.models import UNPUBLISHED, ApiVersion
from ..apis.openapi import METHODS
from ..db import db
from ..runtime import runtime
from ..web.machine import Answer, Asked, Route, problem_answer
from .queries import node_by_credential

PREFIX = "/mock/"
MOST_KEPT = 20  # documents


def mocked(version_id: int) -> Mock | None:
    """Of a version whose mock is on until it is published; read again only after it was changed."""
    wanted = (ApiVersion.id == version_id, ApiVersion.mocked, ApiVersion.state.in_(UNPUBLISHED))
    edits = db.session.scalar(select(ApiVersion.edits).where(*wanted))
    if edits is None:
        return None
    kept: OrderedDict[int, tuple[int, Mock]] = runtime().parsed.setdefault("mocks", OrderedDict())
    known = kept.pop(version_id, None)  # popped and put back: the one that was not asked for the longest goes first
    if known is None or known[0] != edits:
        known = edits, Mock(db.session.scalars(select(ApiVersion.document).where(ApiVersion.id == version_id)).one())
    kept[version_id] = known
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
    return known[1]


def get_mock(asked: Asked) -> Answer:
    if node_by_credential(asked.bearer, serving=True) is None:
        # not 401: the node would hand that on to the caller, who was asked for nothing
        return problem_answer(503, "Service Unavailable", "Mocks are answered to gateway nodes only.")
    number, _, path = asked.path.removeprefix(PREFIX).partition("/")
    mock = mocked(int(number)) if number.isdecimal() and len(number) < 10 else None
    if mock is None:
        return problem_answer(404, "Not Found", "There is no mock at this path: its version is no draft any more.")
    has_body = {"content-length", "transfer-encoding"} & asked.headers().keys()  # RFC 9112 section 6.3
    body = asked.body() if has_body else b""
    return _as_answer(mock.answer(MockRequest(asked.method, f"/{path}", asked.headers(), asked.query_string, body)))


def _as_answer(made: MockAnswer) -> Answer:
    return Answer(made.status, made.body, made.headers)


ROUTES = [Route(method.upper(), PREFIX, "node", get_mock) for method in METHODS if method != "head"]
