"""Whether a value fits a schema of a document: of OpenAPI 3.1, which is JSON Schema 2020-12, or of 3.0, which nearly is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from .openapi import resolve

MOST_NODES = 50_000
MOST_PROBLEMS = 8
NAMED = ("properties", "patternProperties", "dependentSchemas")
LINEAR = jsonschema_rs.RegexOptions()  # whatever a caller sends, a pattern takes no longer than the text is long
Check = Callable[[Any], list[str]]


class TooLarge(Exception):
    """The schema, with all that it refers to."""


def checker(document: dict[str, Any], schema: Any) -> Check:
    """A function from a value to what is wrong with it, each ``/lines/0/quantity: text``. A schema that is no good, or is too
    large, has no complaints."""
    try:
        validator = jsonschema_rs.Draft202012Validator(_standalone(document, schema), pattern_options=LINEAR)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TooLarge):
        return lambda _value: []

    def check(value: Any) -> list[str]:
        found: list[str] = []
        for error in validator.iter_errors(value):
            where = "/".join(str(part) for part in ("", *error.instance_path))
            found.append(f"{where or '/'}: {error.message[:200]}")
            if len(found) == MOST_PROBLEMS:
                break
        return found

    return check


def _standalone(document: dict[str, Any], schema: Any) -> dict[str, Any]:
    """The schema and what it refers to, as one that needs no document."""
    copy = _Copy(document)
    root = copy.of(schema)
    while copy.waiting:
        reference = copy.waiting.pop()
        copy.parts[copy.names[reference]] = copy.of(resolve(document, reference))
    return {"allOf": [root], "$defs": copy.parts}


class _Copy:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document, self.left = document, MOST_NODES
        self.names: dict[str, str] = {}
        self.parts: dict[str, Any] = {}
        self.waiting: list[str] = []

    def of(self, node: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooLarge
        if isinstance(node, list):
            return [self.of(one) for one in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            return {"$ref": f"#/$defs/{self._name(node['$ref'])}"}
        kept = {key: self._value(key, value) for key, value in node.items() if key not in LEFT_OUT}
        return _as_2020(kept)

    def _value(self, key: str, value: Any) -> Any:
        if key in NAMED and isinstance(value, dict):  # its keys are anybody's names, and no keywords
            return {name: self.of(one) for name, one in value.items()}
        return value if key in ("enum", "const", "required") else self.of(value)

    def _name(self, reference: str) -> str:
        if reference not in self.names:
            self.names[reference] = str(len(self.names))
            self.waiting.append(reference)
        return self.names[reference]


LEFT_OUT = ("example", "examples", "default", "discriminator", "xml", "externalDocs", "$id", "$schema", "$dynamicRef")


def _as_2020(schema: dict[str, Any]) -> dict[str, Any]:
    for word in ("inimum", "aximum"):
        if isinstance(schema.get(f"exclusiveM{word}"), bool):
            strict = schema.pop(f"exclusiveM{word}")
            if strict and f"m{word}" in schema:
                schema[f"exclusiveM{word}"] = schema.pop(f"m{word}")
    if schema.pop("nullable", None) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema
