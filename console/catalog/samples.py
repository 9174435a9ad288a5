"""Values that fit a schema: its own examples where it has any, else made up from its kind and limits."""

from __future__ import annotations

from typing import Any

import orjson

from ..apis.openapi import follow
from . import schemas
from .schemas import Document, Schema

DEEPEST, MOST_STEPS, MOST_FIELDS = 6, 400, 60
LONGEST = 12_000  # characters of one example as text; a longer one is made again, with less in it
FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT15M",
    "uuid": "8f3b1c9e-6d0a-4c58-9a57-2f1f6f0a7b11",
    "email": "maren@example.org",
    "uri": "https://example.org/",
    "url": "https://example.org/",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "aGVsbG8=",
}


def sample(document: Document, schema: Any, *, hide: str = "") -> Any:
    """Small enough to be shown. ``hide``: ``readOnly`` in what is sent, ``writeOnly`` in what is answered."""
    for deepest in range(DEEPEST, 0, -1):
        value = _Walk(document, deepest, hide).value(schema, 0, ())
        if len(as_json(value)) <= LONGEST:
            return value
    return None


def as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()


class _Walk:
    def __init__(self, document: Document, deepest: int, hide: str) -> None:
        self.document, self.deepest, self.hide, self.left = document, deepest, hide, MOST_STEPS

    def value(self, schema: Any, depth: int, path: tuple[int, ...]) -> Any:
        schema = follow(self.document, schema)
        self.left -= 1
        if not schema or id(schema) in path or len(path) > 40 or self.left < 0:
            return None
        said, value = own_example(schema)
        if said:
            return value
        path = (*path, id(schema))
        if any(word in schema for word in ("properties", "allOf", "additionalProperties")):
            return self.fields(schema, depth, path)
        choices = schemas.choices_of(schema)[1]
        if choices:
            return self.value(choices[0], depth, path)
        if "items" in schema or "array" in schemas.types_of(schema):
            return self.items(schema, depth, path)
        return plain(schema)

    def fields(self, schema: Schema, depth: int, path: tuple[int, ...]) -> Any:
        """Those that must be there and those with examples; all of them where none must."""
        if depth >= self.deepest:
            return {}
        found = [m for m in schemas.members(self.document, schema) if not m.group and m.name != "any other name"]
        found = [m for m in found if not self.hide or not follow(self.document, m.schema).get(self.hide)]
        if self.hide == "readOnly" and any(m.required for m in found):
            found = [m for m in found if m.required or own_example(follow(self.document, m.schema))[0]]
        out = {m.name: self.value(m.schema, depth + 1, path) for m in found[:MOST_FIELDS]}
        choices = schemas.choices_of(schema)[1]
        chosen = self.value(choices[0], depth, path) if choices else None
        return out | chosen if isinstance(chosen, dict) else out

    def items(self, schema: Schema, depth: int, path: tuple[int, ...]) -> Any:
        inner = None if depth >= self.deepest else self.value(schema.get("items"), depth + 1, path)
        return [] if inner is None else [inner]


def own_example(schema: Schema) -> tuple[bool, Any]:
    """Whether the schema has one itself, and which."""
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return True, schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return True, schema[key][0]
    return False, None


def plain(schema: Schema) -> Any:
    kinds = [k for k in schemas.types_of(schema) if k != "null"]
    kind = kinds[0] if kinds else ""
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind == "string":
        return _text(schema)
    return {"boolean": True, "object": {}}.get(kind)


def _number(schema: Schema, kind: str) -> Any:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float):
        return low
    if isinstance(high, int | float) and high < 1:
        return high
    return 1 if kind == "integer" else 1.5


def _text(schema: Schema) -> str:
    text = FORMATS.get(str(schema.get("format")), "string")
    low, high = schema.get("minLength"), schema.get("maxLength")
    if isinstance(low, int) and len(text) < low <= 200:
        text = text.ljust(low, "x")
    return text[:high] if isinstance(high, int) and high > 0 else text
