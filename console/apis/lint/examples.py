"""Whether examples and defaults fit their schemas: all schemas of a document are compiled at once, and each value is tried
only after its effort is known, because schemas can be made that take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import jsonschema_rs

from ..openapi import resolve
from ..problems import innermost
from ..tree import Path
from .facts import Facts
from .functions import GOOD, Check, Failures, Parameters, function
from .places import SCHEMA_LISTS, SCHEMA_MAPS, SCHEMA_ONE, objects

MOST_EFFORT, MOST_TO_EXPLAIN, DEEPEST = 100_000, 2_000, 300  # schemas tried on values; the reason takes longer to find
PLAIN = ("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
         "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required",
         "dependentRequired", "minContains", "maxContains")  # fmt: skip
MAPS = ("properties", *SCHEMA_MAPS)
VALUES = frozenset({"example", "examples", "default"})
TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
HOME = "#/components/schemas/"
GROUP, MOST_TRIES = 200, 12


class Values:
    """Values of a document tried on its schemas. All schemas that have one are properties of a single schema, in groups, so
    that what they share is compiled once: a validator for each takes a gigabyte for the largest documents."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.memo: dict[tuple[int, int], int] = {}
        self.names = {path: i for i, path in enumerate(self._with_values())}

    def _with_values(self) -> Iterator[Path]:
        """Where the schemas stand that have an example or a default."""
        for kind, path, node in objects(self.facts.document, self.facts.unused):
            if kind in ("schema", "property") and not VALUES.isdisjoint(node):
                yield path
            elif isinstance(node.get("schema"), dict) and ("example" in node or "examples" in node):
                yield (*path, "schema")

    @cached_property
    def validators(self) -> dict[int, Any]:
        """By group."""
        groups: dict[int, dict[str, Any]] = {}
        for path, number in self.names.items():
            groups.setdefault(number // GROUP, {})[str(number)] = self.plain(_at(self.facts.document, path))
        named = {str(k): self.plain(v) for k, v in self.facts.part("components", "schemas").items()}
        return self._compiled(groups, {"schemas": named}, [MOST_TRIES])

    def _compiled(self, groups: dict[int, dict[str, Any]], components: Any, tries: list[int]) -> dict[int, Any]:
        """When a schema cannot be compiled, the half without it can; a few times, then the rest is not judged."""
        tries[0] -= 1
        if not groups or tries[0] < 0:
            return {}
        parts = {str(number): {"properties": inside} for number, inside in groups.items()}
        try:
            whole = jsonschema_rs.Draft202012Validator(
                {"properties": parts, "components": components},
                validate_formats=True,
                retriever=_never_fetch,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
            )
        except (ValueError, jsonschema_rs.ReferencingError):
            numbers = sorted(groups)
            halves = [numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]] if len(numbers) > 1 else []
            found = [self._compiled({n: groups[n] for n in half}, components, tries) for half in halves]
            return {number: one for half in found for number, one in half.items()}
        return dict.fromkeys(groups, whole)

    def plain(self, node: Any) -> Any:
        """The schema as JSON Schema 2020-12, without what says nothing about values."""
        if not isinstance(node, dict):
            return node if isinstance(node, bool) else True
        reference = {"$ref": node["$ref"]} if self._leads_to_schema(node.get("$ref")) else {}
        if "$ref" in node and self.facts.is_3_0:
            return reference
        out: dict[str, Any] = {k: node[k] for k in PLAIN if k in node and _is_meant(k, node[k])} | reference
        out |= {k: self.plain(node[k]) for k in SCHEMA_ONE if k in node}
        out |= {k: [self.plain(v) for v in node[k]] for k in SCHEMA_LISTS if isinstance(node.get(k), list) and node[k]}
        out |= {k: {str(n): self.plain(v) for n, v in node[k].items()} for k in MAPS if isinstance(node.get(k), dict)}
        self.of_direction(node, out)
        return self.of_3_0(node, out) if self.facts.is_3_0 else out

    def _leads_to_schema(self, reference: Any) -> bool:
        return (
            isinstance(reference, str)
            and reference.startswith(HOME)
            and resolve(self.facts.document, reference) is not None
        )

    def of_direction(self, node: dict[str, Any], out: dict[str, Any]) -> None:
        """What is only read, or only written, may be left out."""
        properties = node.get("properties")
        if isinstance(out.get("required"), list) and isinstance(properties, dict):
            one_way = {
                k for k, v in properties.items() if isinstance(v, dict) and (v.get("readOnly") or v.get("writeOnly"))
            }
            out["required"] = [name for name in out["required"] if name not in one_way]

    def of_3_0(self, node: dict[str, Any], out: dict[str, Any]) -> dict[str, Any]:
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and bound in out:
                out[exclusive] = out.pop(bound)
        return {"anyOf": [out, {"type": "null"}]} if node.get("nullable") is True else out

    def problem(self, path: Path, schema: Any, value: Any) -> tuple[Path, str] | None:
        """Why the value does not fit the schema, which stands at ``path``, and where in the value; None when it does."""
        number = self.names.get(path, -1)
        validator = self.validators.get(number // GROUP)
        if validator is None:
            return None
        self.memo.clear()
        effort, tried = self.effort(schema, value), {str(number // GROUP): {str(number): value}}
        if effort > MOST_EFFORT or validator.is_valid(tried):
            return None
        if effort > MOST_TO_EXPLAIN:
            return (), "it does not fit"
        error = innermost(next(iter(validator.iter_errors(tried))))
        return tuple(error.instance_path[2:]), _said(error)

    def effort(self, schema: Any, value: Any, depth: int = 0) -> int:
        """How many schemas are tried on how many values, at the most."""
        if depth > DEEPEST:
            return MOST_EFFORT + 1
        if not isinstance(schema, dict):
            return 1
        key = (id(schema), id(value))
        if key not in self.memo:
            self.memo[key] = 0  # a circle adds nothing
            self.memo[key] = 1 + sum(self.effort(s, v, depth + 1) for s, v in self._tried(schema, value))
        return self.memo[key]

    def _tried(self, schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(schema.get("$ref"), str):
            yield resolve(self.facts.document, schema["$ref"]), value
        for name in ("allOf", "anyOf", "oneOf"):
            yield from ((one, value) for one in schema.get(name) or ())
        yield from ((schema[name], value) for name in ("not", "if", "then", "else") if name in schema)
        if isinstance(value, dict):
            yield from self._of_object(schema, value)
        elif isinstance(value, list):
            of_items = [schema[name] for name in ("items", "contains", "unevaluatedItems") if name in schema]
            yield from ((one, item) for item in value for one in (*of_items, *(schema.get("prefixItems") or ())))

    def _of_object(self, schema: dict[str, Any], value: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        named = schema.get("properties") or {}
        of_all = [schema[k] for k in ("additionalProperties", "unevaluatedProperties", "propertyNames") if k in schema]
        of_all += list((schema.get("patternProperties") or {}).values())
        for name, inside in value.items():
            if name in named:
                yield named[name], inside
            yield from ((one, inside) for one in of_all)
        yield from ((one, value) for one in (schema.get("dependentSchemas") or {}).values())


def _said(error: Any) -> str:
    """Without the value, where that is long."""
    if len(error.message) <= 120:
        return str(error.message)
    types = getattr(error.kind, "types", None)
    return f"this is not of type {' or '.join(types)}" if types else f"{error.kind.name} is not met"


def _is_meant(keyword: str, value: Any) -> bool:
    """What cannot be compiled is left out here, because it would take all others with it."""
    if keyword == "type":
        return all(isinstance(one, str) and one in TYPES for one in (value if isinstance(value, list) else [value]))
    if keyword == "pattern":
        try:
            re.compile(value)
        except (re.error, TypeError, RecursionError, OverflowError):
            return False
    return True


def _at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def _never_fetch(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri}")


@function
def example_fits(parameters: Parameters, facts: Facts) -> Check:
    """Each example, or default, of an object fits the schema that it has or is. ``from``: the members that hold values."""
    values, members, is_schema = (
        facts.remember("values", Values),
        parameters["from"],
        parameters.get("schema") == "itself",
    )

    def check(path: Path, node: Any) -> Failures:
        schema = node if is_schema else node.get("schema")
        at = path if is_schema else (*path, "schema")
        if not isinstance(schema, dict):
            return GOOD
        for where, value in _values(node, members, facts):
            found = values.problem(at, schema, value)
            if found:
                return [(where + found[0], {"problem": found[1]})]
        return GOOD

    return check


def _values(node: dict[str, Any], members: list[str], facts: Facts) -> Iterator[tuple[Path, Any]]:
    for member in members:
        found = node.get(member)
        if member != "examples":
            if member in node:
                yield (member,), found
        elif isinstance(found, list):
            yield from (((member, i), value) for i, value in enumerate(found))
        elif isinstance(found, dict):
            for name, example in found.items():
                inside = facts.follow(example)
                if "value" in inside:
                    at = (member, name) if inside is not example else (member, name, "value")
                    yield at, inside["value"]


@function
def exampled(parameters: Parameters, facts: Facts) -> Check:
    """A media type has an example: of its own, or of its schema, or of that schema's every property."""

    def check(path: Path, media: Any) -> Failures:
        if "example" in media or "examples" in media or _shows(media.get("schema"), facts, 0):
            return GOOD
        return [((), {"media": str(path[-1])})]

    return check


def _shows(schema: Any, facts: Facts, depth: int) -> bool:
    found = facts.follow(schema)
    if not found or {"example", "examples", "default", "enum", "const"} & set(found) or found.get("type") == "boolean":
        return True
    if depth > 4:
        return False
    properties = found.get("properties")
    if isinstance(properties, dict) and properties:
        return all(_shows(one, facts, depth + 1) for one in properties.values())
    return _shows(found["items"], facts, depth + 1) if isinstance(found.get("items"), dict) else False
