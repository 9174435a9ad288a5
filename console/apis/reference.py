"""A document as a reader wants it: operations by tag, parameters, bodies and answers with their fields and examples.

Everything is plain data for a template. References are followed inside the document only, cycles stop, depth is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from . import openapi
from .openapi import Operation, follow

DEEPEST = 4
MOST_FIELDS = 60
MOST_STEPS = 400  # schemas looked at for one list of fields, or for one example
LONGEST_WAY = 40  # schemas within schemas, by whatever keyword


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    required: bool
    note: str
    depth: int = 0


@dataclass(frozen=True)
class Body:
    media: str
    fields: list[Field]
    example: str
    schema: str


@dataclass(frozen=True)
class Reply:
    status: str
    note: str
    body: Body | None


@dataclass(frozen=True)
class Described:
    operation: Operation
    parameters: list[Field]
    body: Body | None
    replies: list[Reply]


@dataclass(frozen=True)
class Reference:
    title: str
    version: str
    description: str
    scopes: dict[str, str]
    groups: dict[str, list[Described]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(len(group) for group in self.groups.values())


def build(document: dict[str, Any]) -> Reference:
    info = document.get("info") or {}
    groups: dict[str, list[Described]] = {}
    for operation in openapi.operations(document):
        groups.setdefault(operation.tag or "Operations", []).append(_describe_any(document, operation))
    return Reference(
        str(info.get("title", "")),
        str(info.get("version", "")),
        str(info.get("description") or info.get("summary") or ""),
        openapi.scopes(document),
        groups,
    )


def _describe_any(document: dict[str, Any], operation: Operation) -> Described:
    try:
        return _describe(document, operation)
    except (TypeError, ValueError, AttributeError, KeyError):  # a reference led to another kind of thing
        return Described(operation, [], None, [])


def _describe(document: dict[str, Any], operation: Operation) -> Described:
    replies = []
    for status, reply in (operation.body.get("responses") or {}).items():
        reply = follow(document, reply)
        replies.append(Reply(str(status), str(reply.get("description", "")), _body(document, reply)))
    body = follow(document, operation.body.get("requestBody"))
    return Described(operation, _parameters(document, operation), _body(document, body), replies)


def _parameters(document: dict[str, Any], operation: Operation) -> list[Field]:
    out = []
    for parameter in openapi.parameters(document, operation):
        schema = follow(document, parameter.get("schema"))
        kind = f"{kind_of(document, parameter.get('schema'))}, {parameter.get('in', '')}"
        note = str(parameter.get("description") or "") + _limits(schema)
        out.append(Field(str(parameter.get("name", "")), kind, bool(parameter.get("required")), note.strip()))
    return out


def _body(document: dict[str, Any], holder: dict[str, Any]) -> Body | None:
    content = holder.get("content") or {}
    if not isinstance(content, dict) or not content:
        return None
    media = next((m for m in content if "json" in m), next(iter(content)))
    described = content[media] if isinstance(content[media], dict) else {}
    schema = described.get("schema") or {}
    fields: list[Field] = []
    _fields(document, schema, 0, fields, (), Steps())
    return Body(media, fields, _example(document, described), kind_of(document, schema))


class Steps:
    """How far one walk may still go: what branches at every step would never end."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def end(self, path: tuple[int, ...]) -> bool:
        self.left -= 1
        return self.left < 0 or len(path) > LONGEST_WAY


def _fields(
    document: dict[str, Any], schema: Any, depth: int, out: list[Field], path: tuple[int, ...], steps: Steps
) -> None:
    """Properties, depth first; what was seen on the way here is not entered again."""
    schema = follow(document, schema)
    if id(schema) in path or depth > DEEPEST or len(out) >= MOST_FIELDS or steps.end(path):
        return
    path = (*path, id(schema))
    if "items" in schema:
        _fields(document, schema["items"], depth, out, path, steps)
    for part in schema.get("allOf") or []:
        _fields(document, part, depth, out, path, steps)
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        whole = follow(document, inner)
        note = str(whole.get("description") or "") + _limits(whole)
        required = name in (schema.get("required") or [])
        out.append(Field(str(name), kind_of(document, inner), required, note.strip(), depth))
        _fields(document, inner, depth + 1, out, path, steps)


def kind_of(document: dict[str, Any], schema: Any) -> str:
    """``string``, ``Order[]``, ``integer or null``."""
    if not isinstance(schema, dict):
        return "any"
    if isinstance(schema.get("$ref"), str):
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(str(k) for k in kind)
    if kind == "array":
        return f"{kind_of(document, schema.get('items'))}[]"
    for word in ("oneOf", "anyOf"):
        if isinstance(schema.get(word), list):
            return " or ".join(kind_of(document, part) for part in schema[word][:4])
    if "enum" in schema:
        return "enum"
    return str(schema.get("format") or kind or "object")


def _limits(schema: dict[str, Any]) -> str:
    said = []
    if isinstance(schema.get("enum"), list):
        said.append("One of " + ", ".join(str(v) for v in schema["enum"][:12]) + ".")
    for key, words in (("minimum", "At least"), ("maximum", "At most"), ("pattern", "Matches"), ("default", "Default")):
        if key in schema and not isinstance(schema[key], dict | list):
            said.append(f"{words} {schema[key]}.")
    return " " + " ".join(said) if said else ""


def _example(document: dict[str, Any], described: dict[str, Any]) -> str:
    value = described.get("example")
    if value is None and isinstance(described.get("examples"), dict) and described["examples"]:
        value = follow(document, next(iter(described["examples"].values()))).get("value")
    if value is None:
        value = sample(document, described.get("schema"), 0, (), Steps())
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return text[:4000]


def sample(document: dict[str, Any], schema: Any, depth: int, path: tuple[int, ...], steps: Steps) -> Any:
    """A value that fits the schema, from its own examples where it has any."""
    schema = follow(document, schema)
    if not schema or depth > DEEPEST or id(schema) in path or steps.end(path):
        return None
    path = (*path, id(schema))
    for key in ("example", "default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    return _sample_of_kind(document, schema, depth, path, steps)


def _sample_of_kind(
    document: dict[str, Any], schema: dict[str, Any], depth: int, path: tuple[int, ...], steps: Steps
) -> Any:
    if isinstance(schema.get("properties"), dict) or "allOf" in schema:
        out: dict[str, Any] = {}
        for part in schema.get("allOf") or []:
            inner = sample(document, part, depth, path, steps)
            out |= inner if isinstance(inner, dict) else {}
        for name, inner in list((schema.get("properties") or {}).items())[:MOST_FIELDS]:
            out[str(name)] = sample(document, inner, depth + 1, path, steps)
        return out
    for word in ("oneOf", "anyOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return sample(document, schema[word][0], depth, path, steps)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        inner = sample(document, schema.get("items"), depth + 1, path, steps)
        return [] if inner is None else [inner]
    plain = {"string": "string", "integer": 0, "number": 0.0, "boolean": True}
    if kind == "string" and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    return plain.get(str(kind))


FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T12:00:00Z",
    "uuid": "8f3b1c9e-6d0a-4c58-9a57-2f1f6f0a7b11",
    "email": "maren@example.org",
    "uri": "https://example.org/",
}
