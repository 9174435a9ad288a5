"""A value that fits a schema, made by rule and never by chance: what a mock answers where the document has no example.

Cycles end, and so does what branches at every step: what is optional is left out then.
"""

from __future__ import annotations

from typing import Any

from .openapi import follow

MOST_STEPS = 3000  # schemas looked at for one value
DEEPEST = 12
MOST_ITEMS, LONGEST = 20, 1000
FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
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
NOTHING: Any = object()  # there is no value that is known to fit


def sample(document: dict[str, Any], schema: Any) -> Any:
    """For an answer: what is only written is left out. None where nothing is said about the value."""
    value = _Sampler(document).value(schema, ())
    return None if value is NOTHING else value


class _Sampler:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document, self.left = document, MOST_STEPS

    def value(self, schema: Any, way: tuple[int, ...]) -> Any:
        if schema is True:
            return None
        schema = follow(self.document, schema)
        self.left -= 1
        if id(schema) in way or len(way) > DEEPEST or self.left < 0:
            return NOTHING
        for key in ("example", "const", "default"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        return self._made(schema, (*way, id(schema)))

    def _made(self, schema: dict[str, Any], way: tuple[int, ...]) -> Any:
        for word in ("oneOf", "anyOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return self._one_of(schema, word, way)
        if isinstance(schema.get("allOf"), list):
            return self._all_of(schema, way)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, way)
        if kind == "array":
            return self._array(schema, way)
        if kind in ("integer", "number"):
            return _number(schema, kind)
        return {"string": _string(schema), "boolean": True}.get(kind)

    def _one_of(self, schema: dict[str, Any], word: str, way: tuple[int, ...]) -> Any:
        """The first that can be made, with what is said beside the choice."""
        beside = {k: v for k, v in schema.items() if k != word}
        for choice in schema[word]:
            value = self.value(choice, way)
            if value is NOTHING:
                continue
            common = self._made(beside, way) if _kind(beside) == "object" else None
            return common | value if isinstance(common, dict) and isinstance(value, dict) else value
        return None if schema.get("nullable") else NOTHING

    def _all_of(self, schema: dict[str, Any], way: tuple[int, ...]) -> Any:
        parts = [self.value(part, way) for part in schema["allOf"]]
        if "properties" in schema:
            parts.append(self._object(schema, way))
        objects = [part for part in parts if isinstance(part, dict)]
        if objects:
            return {k: v for part in objects for k, v in part.items()}
        return next((part for part in parts if part is not NOTHING and part is not None), NOTHING)

    def _object(self, schema: dict[str, Any], way: tuple[int, ...]) -> Any:
        properties = schema.get("properties")
        required = schema.get("required") if isinstance(schema.get("required"), list) else []
        made: dict[str, Any] = {}
        for name, inner in properties.items() if isinstance(properties, dict) else ():
            if follow(self.document, inner).get("writeOnly"):
                continue
            value = self.value(inner, way)
            if value is not NOTHING:
                made[str(name)] = value
            elif name in (required or []):
                return NOTHING
        return made | self._others(schema, way, len(made))

    def _others(self, schema: dict[str, Any], way: tuple[int, ...], count: int) -> dict[str, Any]:
        """Properties whose names are free, where that is all there is."""
        other = schema.get("additionalProperties")
        if count or not isinstance(other, dict) or not other:
            return {}
        value = self.value(other, way)
        return {} if value is NOTHING else {"key": value}

    def _array(self, schema: dict[str, Any], way: tuple[int, ...]) -> Any:
        least = schema.get("minItems") if isinstance(schema.get("minItems"), int) else 0
        value = self.value(schema.get("items", {}), way)
        if value is NOTHING or schema.get("maxItems") == 0:
            return NOTHING if least else []
        return [value] * max(1, min(least or 1, MOST_ITEMS))


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema else ""


def _string(schema: dict[str, Any]) -> str:
    text = FORMATS.get(str(schema.get("format")), "string")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least:
        text = (text * (least // len(text) + 1))[: min(least, LONGEST)]
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _number(schema: dict[str, Any], kind: str) -> float | int:
    lowest, highest = _bound(schema, "inimum", 1), _bound(schema, "aximum", -1)
    value = lowest if lowest is not None else min(1.0, highest) if highest is not None else 1.0
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0:
        value = -(-value // step) * step
    return int(value) if kind == "integer" else value


def _bound(schema: dict[str, Any], word: str, inwards: int) -> float | None:
    """Draft 2020-12 has a number in exclusiveMinimum, OpenAPI 3.0 a boolean beside minimum."""
    limit, strict = schema.get(f"m{word}"), schema.get(f"exclusiveM{word}")
    if isinstance(strict, int | float) and not isinstance(strict, bool):
        return float(strict) + inwards
    if isinstance(limit, int | float) and not isinstance(limit, bool):
        return float(limit) + (inwards if strict is True else 0)
    return None
