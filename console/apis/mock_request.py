"""Whether a request to a mock is one that the document describes: parameters, and the body if it is JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from .openapi import Operation, follow, parameters
from .schema_check import Check, checker

Problem = tuple[Any, ...]  # status, detail, perhaps a list of what is wrong
OTHERS = ("accept", "content-type", "authorization", "x-api-key", "dpop", "cookie")
KINDS = ("string", "integer", "number", "boolean", "array")
LONGEST_PATH = 2000


@dataclass(frozen=True)
class MockRequest:
    """``headers``: their names in lower case. ``query``: without the question mark."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    body: bytes = b""


class RequestChecks:
    """Of one operation."""

    def __init__(self, document: dict[str, Any], operation: Operation) -> None:
        self.document = document
        self.path = re.compile(re.sub(r"\\\{([^{}]*)\\\}", "([^/]+)", re.escape(operation.path.strip("/"))))
        self.names = re.findall(r"\{([^{}]*)\}", operation.path)
        self.parameters = [_Parameter(document, said) for said in parameters(document, operation)]
        self.body = follow(document, operation.body.get("requestBody"))
        self.content = {m.split(";")[0].strip().lower(): d for m, d in (self.body.get("content") or {}).items()}
        self.checks: dict[str, Check] = {}

    def problem(self, asked: MockRequest) -> Problem | None:
        found = self.path.fullmatch(asked.path.strip("/"))
        values = dict(zip(self.names, map(unquote, found.groups()), strict=True)) if found else {}
        query = parse_qs(asked.query, keep_blank_values=True)
        wrong = [problem for p in self.parameters for problem in p.problems(values, query, asked.headers)]
        if wrong:
            return 400, "Parameters are missing or do not fit.", wrong[:20]
        return self._body_problem(asked) if self.content else None

    def _body_problem(self, asked: MockRequest) -> Problem | None:
        if not asked.body:
            return (400, "The body is missing.") if self.body.get("required") else None
        said = asked.headers.get("content-type", "").split(";")[0].strip().lower()
        media = next((m for m in (said, f"{said.split('/')[0]}/*", "*/*") if m in self.content), None)
        if media is None:
            return 415, f"The document describes the body as {', '.join(self.content)[:300]}."
        if "json" not in said:
            return None
        try:
            value = orjson.loads(asked.body)
        except ValueError:
            return 400, "The body is no JSON."
        wrong = self._check(media)(value)
        return (422, "The body does not fit its schema.", wrong) if wrong else None

    def _check(self, media: str) -> Check:
        if media not in self.checks:
            described = self.content[media]
            schema = described.get("schema", True) if isinstance(described, dict) else True
            self.checks[media] = checker(self.document, schema)
        return self.checks[media]


class _Parameter:
    def __init__(self, document: dict[str, Any], said: dict[str, Any]) -> None:
        self.name, self.place = str(said.get("name", "")), str(said.get("in", ""))
        self.required = bool(said.get("required"))
        self.schema = follow(document, said.get("schema"))
        self.items = follow(document, self.schema.get("items"))
        self.splits = not said.get("explode", self.place == "query")
        # no API's own, or not sent on by the node (OpenAPI 3.1 section 4.8.12.1)
        self.is_looked_at = self.place in ("path", "query") or (
            self.place == "header" and self.name.lower() not in OTHERS
        )
        # how an object is written as a parameter, and what is in `content`, is not looked at
        self.check = checker(document, said["schema"]) if _kind(self.schema) in KINDS else None

    def problems(
        self, path: Mapping[str, str], query: Mapping[str, list[str]], headers: Mapping[str, str]
    ) -> list[str]:
        texts = self._sent(path, query, headers) if self.is_looked_at else None
        if texts is None:
            missing = self.required and self.is_looked_at
            return [f"{self.place} parameter {self.name}: it is missing."] if missing else []
        wrong = self.check(self._read(texts)) if self.check else []
        return [f"{self.place} parameter {self.name}{text[1:] if text[1] == ':' else text}" for text in wrong]

    def _sent(
        self, path: Mapping[str, str], query: Mapping[str, list[str]], headers: Mapping[str, str]
    ) -> list[str] | None:
        if self.place == "query":
            return query.get(self.name) or query.get(f"{self.name}[]")
        value = path.get(self.name) if self.place == "path" else headers.get(self.name.lower())
        return None if value is None else [value]

    def _read(self, texts: list[str]) -> Any:
        if _kind(self.schema) != "array":
            return _value(texts[0], _kind(self.schema))
        parts = texts[0].split(",") if self.splits else texts
        return [_value(part, _kind(self.items)) for part in parts]


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    return str(next((k for k in kind if k != "null"), "")) if isinstance(kind, list) else str(kind or "")


def _value(text: str, kind: str) -> Any:
    """As the schema means it; the text itself where it cannot be that, and the schema says so."""
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?", text):
        return float(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
