"""A schema as what it means, so that two spellings of the same are equal.

``nullable: true`` is ``type: [.., "null"]`` is a variant ``type: "null"``; ``exclusiveMinimum: true`` is its number in 3.1; ``const`` is
an enum of one; ``allOf`` is what its parts say together; a union of one variant is that variant. Texts and examples say nothing.
Values may be anything at all: what makes no sense is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import orjson

from .document import Side, mapping

Schema = dict[str, Any]
PRIMITIVE = {"string", "number", "integer", "boolean"}
UNIONS = ("oneOf", "anyOf")
# They say nothing about values, or are looked at where the reference is.
NOTES = {"title", "description", "example", "examples", "externalDocs", "xml", "$comment", "$schema", "$id", "$anchor"}
NOTES |= {"$defs", "definitions", "nullable", "readOnly", "writeOnly", "deprecated", "default", "summary"}
CONDITIONS: tuple[str, ...] = (
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "patternProperties",
)
CONDITIONS += ("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "unevaluatedProperties")
COUNTS = {"maxLength": "max-length", "minLength": "min-length", "maxItems": "max-items", "minItems": "min-items"}
COUNTS |= {"maxProperties": "max-properties", "minProperties": "min-properties"}
LIMITING = frozenset(COUNTS) | {"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf"}
CHOOSING = frozenset(CONDITIONS) | {*UNIONS, "not", "discriminator"}
FLAGS = frozenset({"readOnly", "writeOnly", "deprecated"})
MOST_PARTS = 200  # of one allOf, at any depth
Bound = tuple[float, bool]  # and whether the value itself is outside


@dataclass(slots=True)
class View:
    """``types`` is without null; empty stands for any."""

    types: frozenset[str] = frozenset()
    nullable: bool = False
    enum: dict[str, str] | None = None  # JSON text to what is shown
    format: str | None = None
    patterns: tuple[str, ...] = ()
    limits: dict[str, Bound] = field(default_factory=dict)
    multiple: float | None = None
    unique: bool = False
    properties: dict[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: Any = True  # or False, or a schema
    items: Any = True
    prefix: list[Any] = field(default_factory=list)
    unions: list[tuple[str, list[Any]]] = field(default_factory=list)
    negated: list[Any] = field(default_factory=list)
    discriminator: dict[str, Any] | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()  # of readOnly, writeOnly, deprecated
    default: Any = None


class Views:
    """The views of one document, each made once."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._made: dict[int, tuple[Any, View]] = {}  # holding the schema, so that its id stays its own
        self._joined: dict[tuple[int, ...], Schema] = {}
        self._targets: dict[int, tuple[Any, tuple[str, Schema] | None]] = {}

    def of(self, schema: Any) -> View:
        """What the schema says, with all that it is made of."""
        if id(schema) not in self._made:
            self._made[id(schema)] = (schema, self._view(self._parts(schema)))
        return self._made[id(schema)][1]

    def notes(self, schema: Schema) -> View:
        """What a schema that is no more than a reference says besides."""
        parts = [schema, *(p for key in ("allOf", *UNIONS) for p in _list(schema.get(key)) if "$ref" not in mapping(p))]
        own: Schema = {
            key: schema[key] for key in ("nullable", "readOnly", "writeOnly", "deprecated", "default") if key in schema
        }
        return self._view([own, *([{"nullable": True}] if any(map(_is_null, parts[1:])) else [])])

    def target(self, schema: Any) -> tuple[str, Schema] | None:
        """The reference, and what it names, where a schema says no more than that one and notes."""
        if id(schema) not in self._targets:
            reference = _sole_reference(schema)
            named = self.side.named(reference) if reference else None
            found = (reference, named) if reference and isinstance(named, dict) else None
            self._targets[id(schema)] = (schema, found)
        return self._targets[id(schema)][1]

    def has(self, flag: str, schema: Any) -> bool:
        """Is it readOnly, or what it refers to?"""
        return flag in self.of(schema).flags

    def joined(self, schemas: list[Any]) -> Any:
        """One that says what all of these say."""
        if len(schemas) == 1:
            return schemas[0]
        key = tuple(map(id, schemas))
        return self._joined.setdefault(key, {"allOf": schemas})

    def _parts(self, schema: Any) -> list[Schema]:
        """The schema and all that must hold with it, as far as that is not one of several."""
        parts: list[Schema] = []
        waiting, seen = [schema], set[int]()
        while waiting and len(parts) < MOST_PARTS:
            here = waiting.pop()
            if here is False:
                parts.append({"not": {}})
            if not isinstance(here, dict) or id(here) in seen:
                continue
            seen.add(id(here))
            parts.append(here)
            inside = _list(here.get("allOf")) + [only for key in UNIONS if (only := _sole_variant(here.get(key)))]
            if isinstance(here.get("$ref"), str):
                inside.insert(0, self.side.named(here["$ref"]))
            waiting += reversed(inside)
        return parts

    def _view(self, parts: list[Schema]) -> View:
        view = View()
        properties: dict[str, list[Any]] = {}
        for part in parts:
            _take_type(view, part)
            _take_values(view, part)
            _take_limits(view, part)
            _take_unions(view, part)
            for name, schema in mapping(part.get("properties")).items():
                if schema not in properties.setdefault(name, []):
                    properties[name].append(schema)
            view.required |= _strings(part.get("required"))
            view.additional = self._both(view.additional, part.get("additionalProperties", True))
            view.items = self._both(view.items, part.get("items", True))
            view.prefix = view.prefix or _list(part.get("prefixItems"))
        view.properties = {name: self.joined(schemas) for name, schemas in properties.items()}
        _infer_type(view)
        _tidy_limits(view)
        return view

    def _both(self, one: Any, other: Any) -> Any:
        if other is False or one is False:
            return False
        if not isinstance(other, dict) or not other or other == one:
            return one
        return self.joined([one, other]) if isinstance(one, dict) else other


def key_of(value: Any) -> str:
    """The same for the same JSON value: 1 and 1.0, whatever the order of members; True and 1 differ."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return repr(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _strings(value: Any) -> frozenset[str]:
    return frozenset(one for one in _list(value) if isinstance(one, str))


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (
        schema.get("type") in ("null", ["null"])
        or schema.get("enum") == [None]
        or ("const" in schema and schema["const"] is None)
    )


def _sole_variant(variants: Any) -> Any:
    """Of a union with one variant besides null, that one."""
    others = [one for one in _list(variants) if not _is_null(one)]
    return others[0] if len(others) == 1 else None


def _sole_reference(schema: Any) -> str | None:
    if not isinstance(schema, dict):
        return None
    says = [key for key in schema if key not in NOTES and not key.startswith("x-")]
    if len(says) != 1 or says[0] not in ("$ref", "allOf", *UNIONS):
        return None
    value = schema[says[0]]
    if says[0] == "$ref":
        return value if isinstance(value, str) else None
    only = _sole_variant(value) if says[0] in UNIONS else value[0] if len(_list(value)) == 1 else None
    reference = mapping(only).get("$ref")
    return reference if isinstance(reference, str) and mapping(only).keys() <= NOTES | {"$ref"} else None


def _take_type(view: View, part: Schema) -> None:
    said = part.get("type")
    types = {said} if isinstance(said, str) else set(_strings(said))
    view.nullable |= part.get("nullable") is True or "null" in types
    types -= {"null"}
    if types and view.types:
        types = (types & view.types) or types
    view.types = frozenset(types) or view.types


def _take_values(view: View, part: Schema) -> None:
    values = [part["const"]] if "const" in part else part.get("enum")
    if isinstance(values, list):
        keys = {key_of(value): str(value) for value in values if value is not None}
        view.nullable |= None in values and not part.get("type")
        view.enum = keys if view.enum is None else {k: v for k, v in view.enum.items() if k in keys}
    for name in ("format", "pattern"):
        if isinstance(part.get(name), str) and name == "format":
            view.format = part["format"]
        elif isinstance(part.get(name), str) and part[name] not in (".*", "^.*$", *view.patterns):
            view.patterns += (part[name],)
    if part.get("contentEncoding") == "base64":
        view.format = view.format or "byte"  # OpenAPI 3.0's word for it
    if "default" in part:
        view.default = part["default"]
    view.unique |= part.get("uniqueItems") is True
    if not FLAGS.isdisjoint(part):
        view.flags |= {flag for flag in FLAGS if part.get(flag) is True}


def _take_limits(view: View, part: Schema) -> None:
    if LIMITING.isdisjoint(part):
        return
    for keyword, limit in COUNTS.items():
        _tighten(view, limit, _number(part.get(keyword)), False)
    for limit, word, exclusive in (("max", "maximum", "exclusiveMaximum"), ("min", "minimum", "exclusiveMinimum")):
        _tighten(view, limit, _number(part.get(word)), part.get(exclusive) is True)
        _tighten(view, limit, _number(part.get(exclusive)), True)
    multiple = _number(part.get("multipleOf"))
    view.multiple = multiple if multiple and multiple > 0 else view.multiple


def _tighten(view: View, limit: str, value: float | None, outside: bool) -> None:
    if value is not None and (limit not in view.limits or tighter(limit, (value, outside), view.limits[limit])):
        view.limits[limit] = (value, outside)


def tighter(limit: str, one: Bound, other: Bound) -> bool:
    sign = 1 if limit.startswith("min") else -1
    return (one[0] * sign, one[1]) > (other[0] * sign, other[1])


def _take_unions(view: View, part: Schema) -> None:
    if CHOOSING.isdisjoint(part):
        return
    for key in UNIONS:
        variants = _list(part.get(key))
        others = [one for one in variants if not _is_null(one)]
        view.nullable |= len(others) < len(variants)
        if len(others) > 1:
            view.unions.append((key, others))
    if "not" in part:
        view.negated.append(part["not"])
    if isinstance(part.get("discriminator"), dict):
        view.discriminator = part["discriminator"]
    view.conditions |= {key: part[key] for key in CONDITIONS if key in part}


def _infer_type(view: View) -> None:
    """What is left out because it goes without saying."""
    if view.types:
        return
    if view.properties:
        view.types = frozenset({"object"})
    elif view.items is not True or view.prefix:
        view.types = frozenset({"array"})
    elif view.enum and all(key.startswith('"') for key in view.enum):
        view.types = frozenset({"string"})


def _tidy_limits(view: View) -> None:
    """Of whole numbers, above 0 is from 1 on; a least length of 0 says nothing."""
    for limit, (value, outside) in list(view.limits.items()):
        if limit not in ("max", "min"):
            if limit.startswith("min") and value <= 0:
                del view.limits[limit]
        elif outside and view.types == {"integer"} and float(value).is_integer():
            view.limits[limit] = (value + (1 if limit == "min" else -1), False)
