"""Schemas in one word, as the form shows them: ``string``, ``Pet``, ``Pet[]``; what needs more words is ``as written``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import Refused

SIMPLE = ("string", "integer", "number", "boolean", "object")
AS_WRITTEN = "as written"
SCHEMAS = "#/components/schemas/"
# these go when a schema becomes one of another type; what is said about it stays
BOUND = {
    "$ref", "type", "format", "items", "properties", "required", "additionalProperties", "enum", "const", "default",
    "example", "examples", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "allOf", "oneOf", "anyOf", "not",
    "discriminator",
}  # fmt: skip


def schemas_of(document: dict[str, Any]) -> dict[str, Any]:
    return (document.get("components") or {}).get("schemas") or {}


def spell(schema: Any) -> str:
    """The word for it; empty for no schema at all."""
    if schema is None:
        return ""
    if not isinstance(schema, dict):
        return AS_WRITTEN
    reference, kind = schema.get("$ref"), schema.get("type")
    if isinstance(reference, str):
        name = reference.removeprefix(SCHEMAS)
        return name if reference.startswith(SCHEMAS) and "/" not in name else AS_WRITTEN
    if kind == "array":
        inner = spell(schema.get("items"))
        return f"{inner}[]" if inner and inner != AS_WRITTEN else AS_WRITTEN
    combined = any(key in schema for key in ("allOf", "oneOf", "anyOf", "not"))
    return kind if kind in SIMPLE and not combined else AS_WRITTEN


def respelled(schema: Any, word: str, names: Collection[str], field: str | None = None) -> dict[str, Any] | None:
    """The schema for a word: the same one where the word is what it was before. None for an empty word."""
    word = word.strip()
    if not word:
        return None
    if word == spell(schema) or word == AS_WRITTEN:
        return schema if isinstance(schema, dict) else {}
    about = {k: v for k, v in schema.items() if k not in BOUND} if isinstance(schema, dict) else {}
    return _written(word, names, field) | about


def _written(word: str, names: Collection[str], field: str | None) -> dict[str, Any]:
    if word.endswith("[]"):
        return {"type": "array", "items": _written(word[:-2], names, field)}
    if word in names:
        return {"$ref": SCHEMAS + word}
    if word in SIMPLE:
        return {"type": word}
    raise Refused(f"{word[:60]} is no type and no schema of this document. Write {', '.join(SIMPLE)} or Name[].", field)
