"""A mock: what an API would answer by its document, before there is anything behind it.

The same question has the same answer. Which of the described answers it is, the caller may say (RFC 7240)::

    Prefer: status=404
    Prefer: example=empty
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from . import openapi
from .mock_request import LONGEST_PATH, MockRequest, RequestChecks
from .negotiation import best, preferences
from .openapi import METHODS, Operation, follow
from .operations import Templates
from .samples import sample

MOST_BYTES = 1_000_000
MARK = ("x-gatewright-mock", "true")
OURS = re.compile(
    r"(?i)content-.*|transfer-encoding|connection|keep-alive|upgrade|trailer|te|date|server|set-cookie|x-gatewright-.*"
)
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 section 5.6.2
NO_BODY = (204, 205, 304)


@dataclass(frozen=True)
class MockAnswer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def answer(
    document: dict[str, Any], method: str, path: str, headers: Mapping[str, str], query: str, body: bytes
) -> MockAnswer:
    """``headers``: their names in lower case. ``query``: as it was sent, without the question mark."""
    return Mock(document).answer(MockRequest(method, path, headers, query, body))


class Mock:
    """Of one document: what is looked up in it is kept for the next call."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.templates = Templates(document)
        self.operations = {(o.method.upper(), o.path): o for o in openapi.operations(document)}
        self.checks = lru_cache(maxsize=200)(self._checks)

    def answer(self, asked: MockRequest) -> MockAnswer:
        method = "GET" if asked.method == "HEAD" and not self._find("HEAD", asked.path) else asked.method
        template = self._find(method, asked.path) if len(asked.path) <= LONGEST_PATH else ""
        if not template:
            return self._unknown(asked.path)
        operation = self.operations[method, template]
        problem = self.checks(operation).problem(asked)
        if problem:
            return _problem(*problem)
        return self._described(operation, asked.headers)

    def _find(self, method: str, path: str) -> str:
        return str(self.templates.find(method, path))

    def _checks(self, operation: Operation) -> RequestChecks:
        return RequestChecks(self.document, operation)

    def _unknown(self, path: str) -> MockAnswer:
        others = [] if len(path) > LONGEST_PATH else [m.upper() for m in METHODS if self._find(m.upper(), path)]
        if others:
            allowed = ", ".join(others)
            return _problem(405, f"The document describes {allowed} for this path.", ("allow", allowed))
        return _problem(404, "The document describes no such path.")

    def _described(self, operation: Operation, headers: Mapping[str, str]) -> MockAnswer:
        responses = operation.body.get("responses") or {}
        wanted = preferences(headers.get("prefer", ""))
        key, status, applied = _chosen(responses, wanted.get("status") or wanted.get("code", ""))
        response = follow(self.document, responses.get(key))
        said = [*_headers(self.document, response), *([("preference-applied", f"status={status}")] if applied else [])]
        content = response.get("content")
        if not isinstance(content, dict) or not content or status in NO_BODY:
            return MockAnswer(status, _common(said))
        media = best(list(content), headers.get("accept", ""))
        if media is None:
            return _problem(406, f"The document describes this answer as {', '.join(content)[:300]}.")
        value, named = self._value(content[media], wanted.get("example", ""))
        body = _written(value, media)
        if len(body) > MOST_BYTES:
            return _problem(500, f"The example is larger than {MOST_BYTES // 1000} kB.")
        said += [("preference-applied", f"example={named}")] if named else []
        return MockAnswer(status, _common([*said, ("content-type", concrete(media))]), body)

    def _value(self, described: Any, name: str) -> tuple[Any, str]:
        """The value; and the name of the example, when it is the one that was asked for."""
        described = described if isinstance(described, dict) else {}
        examples = described.get("examples")
        if isinstance(examples, dict) and examples:
            named = name if name in examples else ""
            chosen = follow(self.document, examples[named or next(iter(examples))])
            if "value" in chosen:
                return chosen["value"], named
        if "example" in described:
            return described["example"], ""
        return sample(self.document, described.get("schema"), hide="writeOnly"), ""


def _chosen(responses: Mapping[str, Any], wanted: str) -> tuple[str, int, bool]:
    """Key and status of the answer; and whether it is the one that was asked for."""
    if re.fullmatch(r"[2-5]\d\d", wanted):
        for key in (wanted, f"{wanted[0]}XX", "default"):
            if key in responses:
                return key, int(wanted), True
    exact = sorted(key for key in responses if re.fullmatch(r"[2-5]\d\d", key))
    good = [key for key in exact if key.startswith("2")]
    if good:
        return good[0], int(good[0]), False
    for key in ("2XX", "default"):
        if key in responses:
            return key, 200, False
    return (exact[0], int(exact[0]), False) if exact else ("", 200, False)


def _headers(document: dict[str, Any], response: dict[str, Any]) -> list[tuple[str, str]]:
    """Those that are described, but for those that are not the API's to say."""
    said, described = [], response.get("headers")
    for name, header in list(described.items())[:30] if isinstance(described, dict) else ():
        header = follow(document, header)
        value = header["example"] if "example" in header else sample(document, header.get("schema"))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        fits = re.fullmatch(r"[\x20-\x7e]{0,500}", text) and isinstance(value, str | int | float)
        if fits and TOKEN.fullmatch(str(name)) and not OURS.fullmatch(str(name)):
            said.append((str(name).lower(), text))
    return said


def _written(value: Any, media: str) -> bytes:
    if "json" in media or media == "*/*":
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    return value.encode() if isinstance(value, str) else b""  # how it would be as XML the document does not say


def concrete(media: str) -> str:
    """OpenAPI may describe a range of media types."""
    if not re.fullmatch(r"[\x20-\x7e]{1,200}", media):
        return "application/octet-stream"
    return {"*/*": "application/json", "application/*": "application/octet-stream", "text/*": "text/plain"}.get(
        media, media
    )


def _common(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [*said, MARK, ("cache-control", "no-store"), ("vary", "accept, prefer")]


def _problem(status: int, detail: str, *more: Any) -> MockAnswer:
    """RFC 9457. A pair in ``more`` is a header, a list is what is wrong, one by one."""
    said: dict[str, Any] = {"type": f"urn:gatewright:problem:mock_{status}", "title": TITLES[status], "status": status}
    errors = [one for part in more if isinstance(part, list) for one in part]
    said |= {"detail": detail} | ({"errors": errors} if errors else {})
    headers = [part for part in more if isinstance(part, tuple)]
    return MockAnswer(status, _common([*headers, ("content-type", "application/problem+json")]), orjson.dumps(said))


TITLES = {
    400: "The request is not as the document describes it",
    404: "Not in the document",
    405: "The method is not in the document",
    406: "No described answer is acceptable",
    413: "The body is too large",
    415: "The media type of the body is not in the document",
    422: "The body is not as the document describes it",
    500: "The mock cannot answer this",
}
