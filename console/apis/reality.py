"""What a document says against what callers do: never called, called and not described, answered and not declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from ..errors import Refused
from ..logs.shapes import shape
from ..logs.undescribed import Undescribed, undescribed
from ..logs.usage import Operation as Called
from ..logs.usage import operation_usage, statuses
from . import openapi
from .openapi import METHODS, Operation, follow
from .operations import Templates

GATEWAYS_OWN = frozenset({401, 403, 410, 429, 503})
VALUE = "{id}"
PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Undeclared:
    """A status that an operation answers and its document does not name, neither itself, nor as a range, nor by default."""

    method: str  # in upper case
    path: str
    status: int
    requests: int

    @property
    def may_be_ours(self) -> bool:
        """A gateway gives such answers, too, without asking the backend."""
        return self.status in GATEWAYS_OWN


@dataclass(frozen=True)
class Reality:
    never_called: list[Operation]  # in the document's order
    undescribed: list[Undescribed]  # most requests first; their paths are those of the document's server
    undeclared: list[Undeclared]  # most requests first

    @property
    def agrees(self) -> bool:
        return not (self.never_called or self.undescribed or self.undeclared)


class Draft(NamedTuple):
    path: str
    method: str  # as the document writes it: in lower case
    operation: dict[str, Any]  # an Operation Object (OpenAPI 3.1 section 4.8.10)


def reality(document: dict[str, Any], version_id: int, days: int = 30, *, prefix: str = "") -> Reality:
    """``prefix``: the path in front of those of the document, at the gateway. Calls of another one are left out.

    Calls that were not described then and are now, because the document has grown, are no news.
    """
    operations, templates = openapi.operations(document), Templates(document)
    called, missing = set(operation_usage(version_id, days)), []
    for one in undescribed(version_id, days):
        inner = _inner(one, prefix)
        if inner is None:
            continue
        if found := _described(templates, inner):
            called.add(found)
        else:
            missing.append(inner)
    never = [o for o in operations if (o.method.upper(), o.path) not in called]
    return Reality(never, missing, _undeclared(document, operations, statuses(version_id, days)))


def _inner(one: Undescribed, prefix: str) -> Undescribed | None:
    """With the path as the document would have it."""
    before = shape(prefix)
    if one.is_others or not before:
        return one
    if not f"{one.path}/".startswith(f"{before}/"):
        return None
    path = one.path.removeprefix(before) or "/"
    return Undescribed(one.method, path, one.statuses, one.last_at, one.request_id)


def _described(templates: Templates, one: Undescribed) -> Called | None:
    """What the document has for it: of HEAD also what it has for GET (RFC 9110 section 9.3.2), of OPTIONS, which browsers
    ask by themselves, what it has for that path."""
    also = {"HEAD": ("GET",), "OPTIONS": tuple(method.upper() for method in METHODS)}
    for method in (one.method, *also.get(one.method, ())):
        if template := str(templates.find(method, one.path)):
            return method, template
    return None


def _undeclared(
    document: dict[str, Any], operations: Iterable[Operation], answered: Mapping[Called, Mapping[int, int]]
) -> list[Undeclared]:
    found = []
    for o in operations:
        declared = _declared(document, o)
        for status, requests in answered.get((o.method.upper(), o.path), {}).items():
            # a gateway says 0 when the caller hung up before there was any
            if status >= 100 and not {"default", str(status), f"{status // 100}XX"} & declared:
                found.append(Undeclared(o.method.upper(), o.path, status, requests))
    return sorted(found, key=lambda one: -one.requests)


def _declared(document: dict[str, Any], operation: Operation) -> set[str]:
    """The keys of its responses (OpenAPI 3.1 section 4.8.16): a status, a range such as `4XX`, or `default`."""
    return {
        key if (key := str(k)) == "default" else key.upper() for k in follow(document, operation.body.get("responses"))
    }


def draft_of(one: Undescribed, document: dict[str, Any] | None = None) -> Draft:
    """The operation that would describe these calls, as far as they tell: its path, and a response for each status seen.

    ``document``: where it is to go; it may have the path under its own names. `Refused` where OpenAPI has no place for it.
    """
    if one.is_others or one.method.lower() not in METHODS:
        raise Refused(f"OpenAPI has no place for {one.method or 'many kinds of'} calls. Describe what they are for.")
    known = _known_path(document or {}, one.path)
    path = known or _named(one.path)
    operation: dict[str, Any] = {"summary": f"{one.method.upper()} {path}"}
    if names := [] if known else PARAMETER.findall(path):
        operation["parameters"] = [
            {"name": name[1:-1], "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    seen = [status for status in sorted(one.statuses) if 100 <= status <= 599]
    operation["responses"] = {str(status): {"description": _words(status)} for status in seen} or {
        "default": {"description": "Not known"}
    }
    return Draft(path, one.method.lower(), operation)


def _known_path(document: dict[str, Any], path: str) -> str:
    """Two templates that differ in names only are the same one (OpenAPI 3.1 section 4.8.8.1)."""
    return next((p for p in document.get("paths") or {} if PARAMETER.sub(VALUE, p) == path), "")


def _named(path: str) -> str:
    """``/orders/{id}/lines/{id}`` is ``/orders/{orderId}/lines/{lineId}``."""
    parts, names = path.split("/"), set[str]()
    for at, part in enumerate(parts):
        if part == VALUE:
            name = base = _name_after(parts[at - 1] if at else "")
            number = 2
            while name in names:
                name, number = f"{base}{number}", number + 1
            names.add(name)
            parts[at] = f"{{{name}}}"
    return "/".join(parts)


def _name_after(part: str) -> str:
    words = [] if part.startswith("{") else re.findall(r"[A-Za-z]+", part)
    if not words:
        return "id"
    last = words[-1]
    single = (
        last[:-3] + "y" if last.endswith("ies") else last[:-1] if last.endswith("s") and last[-2:] != "ss" else last
    )
    name = "".join(word.capitalize() for word in (*words[:-1], single))
    return f"{name[:1].lower()}{name[1:30]}Id"


def _words(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
