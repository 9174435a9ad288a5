"""Where rules look. A place is a path of keys joined by dots, written in the data of a rule:

- a key (``info.contact``), ``*`` for any key or item, ``{get,head}`` for one of several;
- ``@kind`` as the first part: every object of that kind, wherever the document has one. The kinds are those of `KINDS`,
  besides ``@property`` (a schema under ``properties``) and ``@reference`` (an object with ``$ref``);
- extensions (``x-...``) are looked at by no ``*``, and what a ``$ref`` names is looked at where it stands, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..openapi import METHODS
from ..tree import Path

SCHEMA_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
              "unevaluatedProperties", "contentSchema")  # fmt: skip
SCHEMA_LISTS, SCHEMA_MAPS = (
    ("allOf", "anyOf", "oneOf", "prefixItems"),
    ("patternProperties", "$defs", "dependentSchemas"),
)
# kind -> (key, what is there, kind of it); "one", "list" or "map"
PARAMETER = [("schema", "one", "schema"), ("content", "map", "media"), ("examples", "map", "example")]
KINDS: dict[str, list[tuple[str, str, str]]] = {
    "document": [("info", "one", "info"), ("servers", "list", "server"), ("tags", "list", "tag"), ("paths", "map", "path"),
                 ("webhooks", "map", "path"), ("components", "one", "components")],
    "info": [],
    "server": [],
    "tag": [],
    "components": [("schemas", "map", "schema"), ("responses", "map", "response"), ("parameters", "map", "parameter"),
                   ("requestBodies", "map", "body"), ("headers", "map", "header"), ("securitySchemes", "map", "scheme"),
                   ("examples", "map", "example"), ("links", "map", "link"), ("callbacks", "map", "callback"),
                   ("pathItems", "map", "path")],
    "path": [("parameters", "list", "parameter"), ("servers", "list", "server"), *((m, "one", "operation") for m in METHODS)],
    "operation": [("parameters", "list", "parameter"), ("requestBody", "one", "body"), ("responses", "map", "response"),
                  ("callbacks", "map", "callback"), ("servers", "list", "server")],
    "callback": [("*", "map", "path")],
    "parameter": PARAMETER,
    "header": PARAMETER,
    "body": [("content", "map", "media")],
    "response": [("content", "map", "media"), ("headers", "map", "header"), ("links", "map", "link")],
    "media": [("schema", "one", "schema"), ("examples", "map", "example")],
    "schema": [("properties", "map", "property"), *((k, "one", "schema") for k in SCHEMA_ONE),
               *((k, "list", "schema") for k in SCHEMA_LISTS), *((k, "map", "schema") for k in SCHEMA_MAPS)],
    "example": [],
    "link": [],
    "scheme": [],
}  # fmt: skip
KINDS["property"] = KINDS["schema"]
MAPS_OF_NAMES = (
    "property",
    "schema",
    "header",
    "example",
    "link",
    "media",
    "scheme",
)  # here x-... is a name like any other


def objects(
    document: dict[str, Any], skipped: frozenset[Path] = frozenset()
) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Every ``(kind, path, object)`` of a document in its order, but what stands at (and in) ``skipped``."""
    waiting: list[tuple[str, Path, Any]] = [("document", (), document)]
    while waiting:
        kind, path, here = waiting.pop()
        if not isinstance(here, dict) or path in skipped:
            continue
        if "$ref" in here:
            yield "reference", path, here
            if kind not in ("path", "schema", "property"):
                continue  # only these say more beside it
        else:
            yield kind, path, here
        waiting.extend(reversed(list(_inside(kind, path, here))))


def _inside(kind: str, path: Path, here: dict[str, Any]) -> Iterator[tuple[str, Path, Any]]:
    for key, shape, child in KINDS[kind]:
        if key == "*":
            yield from ((child, (*path, k), v) for k, v in here.items() if not k.startswith("x-"))
            continue
        value = here.get(key)
        if shape == "one":
            yield child, (*path, key), value
        elif shape == "list" and isinstance(value, list):
            yield from ((child, (*path, key, i), v) for i, v in enumerate(value))
        elif shape == "map" and isinstance(value, dict):
            named = child in MAPS_OF_NAMES
            yield from ((child, (*path, key, k), v) for k, v in value.items() if named or not k.startswith("x-"))


@dataclass(frozen=True)
class Place:
    """A place as a rule names it, taken apart: the kind, or empty, and the steps from there; a step None is any key."""

    kind: str
    steps: tuple[frozenset[str] | None, ...]

    @classmethod
    def parse(cls, text: str) -> Place:
        """ValueError for what is none."""
        first, *rest = _split(text)
        if not first.startswith("@"):
            first, rest = "@document", [first, *rest]
        kind = first[1:]
        if kind not in KINDS and kind != "reference":
            raise ValueError(f"there is no kind {kind} in {text}")
        return cls(kind, tuple(_step(part) for part in rest))

    def within(self, path: Path, node: Any) -> Iterable[tuple[Path, Any]]:
        """What it names in an object of its kind."""
        found = [(path, node)]
        for step in self.steps:
            found = [pair for at, here in found for pair in _one_step(step, at, here)]
        return found


def _split(text: str) -> list[str]:
    """At dots, but not at those in braces."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == "." and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth or not all(parts):
        raise ValueError(f"{text} is no place")
    return parts


def _step(part: str) -> frozenset[str] | None:
    if part == "*":
        return None
    return frozenset(part[1:-1].split(",")) if part.startswith("{") else frozenset({part})


def _one_step(step: frozenset[str] | None, path: Path, here: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(here, dict):
        keys = [k for k in here if not str(k).startswith("x-")] if step is None else [k for k in here if k in step]
        yield from (((*path, key), here[key]) for key in keys)
    elif isinstance(here, list):
        yield from (((*path, i), v) for i, v in enumerate(here) if step is None or str(i) in step)
