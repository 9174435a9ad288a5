"""The table of what the REST API serves: each entry is a route, a permission and what the OpenAPI document says of it.

`operation` puts a view into the table. `run` does for each what is the same for all: query and body are checked against
their schemas before the database is asked, and a request that was answered already gets the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
from flask import Response, request

from ..accounts.models import Permission
from ..apis import openapi
from ..db import release
from ..errors import Refused
from ..web.access import me
from . import idempotency
from .bodies import BODIES
from .parameters import Parameter, read_query

LARGEST_JSON = 512 * 1024
DOCUMENT = "document"  # the body is an OpenAPI document, as it is
MERGE = "application/merge-patch+json"
DOCUMENT_TYPES = ("application/yaml", "application/json", "application/openapi+yaml", "application/openapi+json")
View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """``answer``: name of a schema; ``[name]``: a page of them; empty: 204; ``text``: a document as it is."""

    method: str
    rule: str
    permission: Permission
    view: View
    tag: str
    answer: str
    statuses: tuple[int, ...]
    body: str = ""
    is_optional: bool = False  # the body
    query: tuple[Parameter, ...] = field(default=())
    precondition: bool = False

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def summary(self) -> str:
        return (self.view.__doc__ or "").strip().split("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        return " ".join((self.view.__doc__ or "").split())

    @property
    def path(self) -> str:
        """As OpenAPI writes it."""
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.rule)

    @property
    def is_paged(self) -> bool:
        return any(parameter.name == "after" for parameter in self.query)

    @property
    def has_tag(self) -> bool:
        """The answer has the ETag of a version."""
        return self.answer == "Version" or (self.precondition and bool(self.answer) and self.answer != "Review")

    @property
    def takes_key(self) -> bool:
        return self.method == "POST"


OPERATIONS: list[Operation] = []


def operation(
    method: str,
    rule: str,
    permission: Permission,
    *,
    tag: str,
    answer: str = "",
    statuses: tuple[int, ...] = (),
    body: str = "",
    is_optional: bool = False,
    query: tuple[Parameter, ...] = (),
    precondition: bool = False,
) -> Callable[[View], View]:
    """The view's docstring is its summary and description. It is given what `Asked` has read, then the path's parts."""

    def add(view: View) -> View:
        found = statuses or ((200,) if answer else (204,))
        OPERATIONS.append(
            Operation(
                method, rule, permission, view, tag, answer, found, body, is_optional, query, precondition
            )
        )  # fmt: skip
        return view

    return add


@dataclass(frozen=True)
class Asked:
    """``body``: JSON that fits its schema; ``text`` and ``document``: of a document; ``query``: by name, with defaults."""

    query: dict[str, Any]
    body: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    document: dict[str, Any] = field(default_factory=dict)


class Unreadable(Refused):
    status = 400


class WrongType(Refused):
    status = 415


class Misfit(Refused):
    """The body does not fit its schema; each of ``errors`` says where (a JSON Pointer) and why."""

    status = 422

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("The body does not fit its schema.")
        self.errors = errors


def run(which: Operation, **path: Any) -> Response:
    if not which.body or which.body != DOCUMENT:
        request.max_content_length = LARGEST_JSON
    data = request.get_data(cache=False)
    asked = _read(which, data)
    key = idempotency.asked_key() if which.takes_key else ""
    if key:
        before = idempotency.answered_before(key, data, by=me())
        if before is not None:
            return before
    answer = which.view(asked, **path)
    if key:
        idempotency.keep(key, data, answer, by=me())
    return answer


def _read(which: Operation, data: bytes) -> Asked:
    query = read_query(which.query)
    if not which.body:
        if data:
            raise Unreadable("This takes no body.")
        return Asked(query)
    if which.body == DOCUMENT:
        return _read_document(data, query)
    if not data and which.is_optional:
        return Asked(query)
    types = ("application/json", MERGE) if which.method == "PATCH" else ("application/json",)
    _check_type(types)
    return Asked(query, _json(which.body, data))


def _check_type(types: tuple[str, ...]) -> None:
    if request.mimetype not in types:
        raise WrongType(f"Send the body as {' or '.join(types)}, and say so in Content-Type.")


def _read_document(data: bytes, query: dict[str, Any]) -> Asked:
    _check_type(DOCUMENT_TYPES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("The document is not UTF-8 text.") from None
    release()  # a large document takes seconds; nobody should wait for the database meanwhile
    return Asked(query, text=text, document=openapi.parse(text))


def _json(name: str, data: bytes) -> dict[str, Any]:
    try:
        body: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        raise Unreadable(f"The body is not valid JSON: {problem}.") from None
    errors = [
        {"pointer": "#" + "".join(f"/{part}" for part in error.instance_path), "detail": error.message[:300]}
        for error in _validator(name).iter_errors(body)
    ]
    if errors:
        raise Misfit(errors[:20])
    return body


@cache
def _validator(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": BODIES}}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
