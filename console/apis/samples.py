"""A value that fits a schema: its own examples where it has any, else made by rule and never by chance.

Cycles end, and so does what branches at every step: what is optional is left out then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from .openapi import follow

MOST_STEPS, DEEPEST = 3000, 12  # schemas looked at for one value; objects and lists in one another
SHOWN_STEPS, SHOWN_DEEPEST = 400, 6
LONGEST = 12_000  # characters of a sketch; a longer one is made again, with less in it
MOST_FIELDS, MOST_ITEMS, LONGEST_TEXT = 60, 20, 1000
FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT15M",
    "uuid": "8f3b1c9e-6d0a-4c58-9a57-2f1f6f0a7b11",
    "email": "maren@example.org",
    "idn-email": "maren@example.org",
    "hostname": "api.example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "url": "https://example.org/",
    "uri-reference": "/here",
    "byte": "aGVsbG8=",
    "password": "correct horse",
}
LONGEST_WAY = 100  # of references and choices that lead to each other
NOTHING: Any = object()  # there is no value that is known to fit
Schema = dict[str, Any]
Way = tuple[int, ...]  # the schemas that this one is inside of


def sample(document: dict[str, Any], schema: Any, *, hide: str = "") -> Any:
    """``hide``: ``readOnly`` in what is sent, ``writeOnly`` in what is answered. None where nothing is known to fit."""
    value = _Sampler(document, hide, MOST_STEPS, DEEPEST).value(schema, 0, ())
    return None if value is NOTHING else value


def sketch(document: dict[str, Any], schema: Any, *, hide: str = "") -> Any:
    """For a reader: small, and with something empty where what fits is not known or has no room."""
    value: Any = None
    for deepest in range(SHOWN_DEEPEST, 0, -1):
        value = _Sampler(document, hide, SHOWN_STEPS, deepest, is_sketch=True).value(schema, 0, ())
        value = None if value is NOTHING else value
        if len(as_json(value)) <= LONGEST:
            break
    return value


def as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()


def own_example(schema: Schema) -> tuple[bool, Any]:
    """Whether the schema has one itself, and which."""
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return True, schema[key]
    for key in ("examples", "enum"):
        said = schema.get(key)
        if isinstance(said, list) and said:
            return True, next((value for value in said if value is not None), None)
    return False, None


class _Sampler:
    def __init__(
        self, document: dict[str, Any], hide: str, steps: int, deepest: int, *, is_sketch: bool = False
    ) -> None:
        self.document, self.hide, self.left, self.deepest = document, hide, steps, deepest
        self.is_sketch = is_sketch

    def value(self, schema: Any, depth: int, way: Way) -> Any:
        schema = follow(self.document, schema)
        self.left -= 1
        if id(schema) in way or self.left < 0 or len(way) > LONGEST_WAY:
            return None if _may_be_null(schema) else NOTHING
        said, value = own_example(schema)
        return value if said else self._made(schema, depth, (*way, id(schema)))

    def _made(self, schema: Schema, depth: int, way: Way) -> Any:
        parts = list(self._parts(schema))
        if any(_kind(part) == "object" for part in parts):
            return self._cut({}) if depth >= self.deepest else self._object(parts, depth + 1, way)
        if len(parts) > 1:
            schema = {key: said for part in parts for key, said in part.items() if key != "allOf"}
            said, value = own_example(schema)
            if said:
                return value
        if _choices(schema):
            return self._one_of(schema, depth, way)
        kind = _kind(schema)
        if kind == "array":
            return self._cut([]) if depth >= self.deepest else self._array(schema, depth + 1, way)
        return _plain(schema, kind)

    def _cut(self, empty: Any) -> Any:
        return empty if self.is_sketch else NOTHING

    def _parts(self, schema: Schema) -> Iterator[Schema]:
        """The schema and all that it is made of (``allOf``)."""
        waiting, seen = [schema], set[int]()
        while waiting and len(seen) < MOST_FIELDS:
            here = follow(self.document, waiting.pop(0))
            if id(here) not in seen:
                seen.add(id(here))
                yield here
                waiting += here["allOf"] if isinstance(here.get("allOf"), list) else []

    def _one_of(self, schema: Schema, depth: int, way: Way) -> Any:
        """The first that can be made."""
        values = (self.value(choice, depth, way) for choice in _choices(schema))
        first = next((value for value in values if value is not NOTHING), NOTHING)
        return None if first is NOTHING and _may_be_null(schema) else first

    def _object(self, parts: list[Schema], depth: int, way: Way) -> Any:
        made: dict[str, Any] = {}
        needed = {str(name) for part in parts for name in _listed(part, "required")}
        for name, inner in self._shown(parts, needed):
            value = self.value(inner, depth, way)
            if value is NOTHING and name in needed:
                if not self.is_sketch:
                    return NOTHING
                value = None
            if value is not NOTHING:
                made[name] = value
        for part in parts[1:]:
            said, value = own_example(part)
            made |= value if said and isinstance(value, dict) else {}
        for part in parts:
            if self._is_open(part, way):
                value = self._one_of(part, depth - 1, (*way, *map(id, parts)))
                if value is NOTHING:
                    return NOTHING
                made |= value if isinstance(value, dict) else {}
        return made or self._others(parts, depth, way)

    def _shown(self, parts: list[Schema], needed: set[str]) -> list[tuple[str, Any]]:
        """Of what is sent those that must be there and those with examples, and all of them where none must."""
        found: dict[str, Any] = {}
        for part in parts:
            for name, inner in _named(part, "properties"):
                found.setdefault(name, inner)
        shown = [(n, inner) for n, inner in found.items() if not follow(self.document, inner).get(self.hide or "$hide")]
        if self.hide == "readOnly" and any(name in needed for name, _ in shown):
            shown = [(n, i) for n, i in shown if n in needed or own_example(follow(self.document, i))[0]]
        return sorted(shown, key=lambda one: one[0] not in needed)[:MOST_FIELDS] if len(shown) > MOST_FIELDS else shown

    def _is_open(self, part: Schema, way: Way) -> bool:
        """Whether there is a choice left: what is a part of its own choices has been chosen already."""
        choices = _choices(part)
        return bool(choices) and not any(id(follow(self.document, choice)) in way for choice in choices)

    def _others(self, parts: list[Schema], depth: int, way: Way) -> dict[str, Any]:
        """Properties whose names are free, where that is all there is."""
        other = next(
            (p["additionalProperties"] for p in parts if isinstance(p.get("additionalProperties"), dict)), None
        )
        value = self.value(other, depth, way) if other else NOTHING
        return {} if value is NOTHING else {"key": value}

    def _array(self, schema: Schema, depth: int, way: Way) -> Any:
        least = schema.get("minItems") if isinstance(schema.get("minItems"), int) else 0
        first = [self.value(item, depth, way) for item in _listed(schema, "prefixItems")[:MOST_ITEMS]]
        value = self.value(schema.get("items"), depth, way) if isinstance(schema.get("items"), dict) else None
        if NOTHING in first or (value is NOTHING and least):
            return NOTHING
        if first or schema.get("maxItems") == 0 or value is NOTHING or (value is None and not least):
            return first
        return [value] * max(1, min(least or 1, MOST_ITEMS))


def _listed(schema: Schema, key: str) -> list[Any]:
    return schema[key] if isinstance(schema.get(key), list) else []


def _named(schema: Schema, key: str) -> list[tuple[str, Any]]:
    return [(str(name), inner) for name, inner in schema[key].items()] if isinstance(schema.get(key), dict) else []


def _choices(schema: Schema) -> list[Any]:
    return _listed(schema, "oneOf") or _listed(schema, "anyOf")


def _may_be_null(schema: Schema) -> bool:
    return schema.get("nullable") is True or "null" in _listed(schema, "type")


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else ""


def _plain(schema: Schema, kind: str) -> Any:
    if kind in ("integer", "number"):
        return _number(schema, kind)
    return _text(schema) if kind == "string" else True if kind == "boolean" else None


def _text(schema: Schema) -> str:
    text = FORMATS.get(str(schema.get("format")), "string")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least:
        text = (text * (least // len(text) + 1))[: min(least, LONGEST_TEXT)]
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _number(schema: Schema, kind: str) -> float | int:
    lowest, highest = _bound(schema, "inimum", 1), _bound(schema, "aximum", -1)
    step = schema.get("multipleOf")
    usual = 1.5 if kind == "number" and step is None else 1.0
    value = lowest if lowest is not None else min(usual, highest) if highest is not None else usual
    if isinstance(step, int | float) and step > 0:
        value = -(-value // step) * step
    return int(value) if kind == "integer" else value


def _bound(schema: Schema, word: str, inwards: int) -> float | None:
    """Draft 2020-12 has a number in exclusiveMinimum, OpenAPI 3.0 a boolean beside minimum."""
    limit, strict = schema.get(f"m{word}"), schema.get(f"exclusiveM{word}")
    if isinstance(strict, int | float) and not isinstance(strict, bool):
        return float(strict) + inwards
    if isinstance(limit, int | float) and not isinstance(limit, bool):
        return float(limit) + (inwards if strict is True else 0)
    return None
