"""Questions to one JSON Schema inside a document: of what kind it is, what is in it, and what limits it.

Every walk is bounded: references may go round in circles, and what branches at every step would never end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..apis.openapi import follow

MOST_STEPS = 200  # schemas looked at to answer one question
MOST_SAID = 20  # values of an enum that are listed
COMPONENTS = "#/components/schemas/"
Schema = dict[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """What is in a schema: a property, an item, or one of several choices, which ``group`` then names."""

    name: str
    schema: Any
    required: bool = False
    group: str = ""


def component(schema: Any) -> str:
    """The name of the component that is referred to; empty for all else."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if not isinstance(reference, str) or not reference.startswith(COMPONENTS):
        return ""
    name = reference.removeprefix(COMPONENTS)
    return "" if "/" in name else name.replace("~1", "/").replace("~0", "~")


def types_of(schema: Schema) -> list[str]:
    kind = schema.get("type")
    found = [str(k) for k in kind] if isinstance(kind, list) else [str(kind)] if kind else []
    return [*found, "null"] if schema.get("nullable") is True and "null" not in found else found


def choices_of(schema: Schema) -> tuple[str, list[Any]]:
    """``One of`` or ``Any of``, and the schemas, without the one that only says null."""
    for word, said in (("oneOf", "One of"), ("anyOf", "Any of")):
        parts = schema.get(word)
        if isinstance(parts, list):
            return said, [p for p in parts if not (isinstance(p, dict) and p.get("type") == "null")]
    return "", []


def may_be_null(document: Document, schema: Schema) -> bool:
    if "null" in types_of(schema):
        return True
    parts = [p for word in ("oneOf", "anyOf") if isinstance(schema.get(word), list) for p in schema[word]]
    return any(follow(document, part).get("type") == "null" for part in parts[:MOST_SAID])


def kind_of(document: Document, schema: Any) -> str:
    """``string``, ``date-time``, ``Order[]``, ``integer or null``."""
    kind, suffix = "", ""
    for _ in range(MOST_STEPS):
        whole = follow(document, schema)
        choices = choices_of(whole)[1]
        if "array" in types_of(whole) or ("items" in whole and not types_of(whole)):
            schema, suffix = whole.get("items", {}), f"{suffix}[]"
        elif len(choices) == 1 and not isinstance(whole.get("properties"), dict):
            schema, suffix = choices[0], suffix + (" or null" if may_be_null(document, whole) else "")
        else:
            kind = _plain_kind(document, schema, whole)
            break
    return f"({kind}){suffix}" if " or " in kind and suffix.startswith("[") else kind + suffix


def _plain_kind(document: Document, schema: Any, whole: Schema) -> str:
    name, types = component(schema), [t for t in types_of(whole) if t != "null"]
    choices = choices_of(whole)[1]
    if name and (not types or types == ["object"]):
        said = name
    elif choices:
        said = " or ".join(dict.fromkeys(_short(document, c) for c in choices[:4])) + (" …" if len(choices) > 4 else "")
    elif "enum" in whole:
        said = "enum"
    elif "const" in whole:
        said = "constant"
    else:
        said = " or ".join(types) or ("object" if "properties" in whole or "allOf" in whole else "any")
        said = f"{whole['format']}" if types == ["string"] and isinstance(whole.get("format"), str) else said
    return f"{said} or null" if may_be_null(document, whole) else said


def _short(document: Document, schema: Any) -> str:
    whole = follow(document, schema)
    return component(schema) or str(whole.get("title") or " or ".join(types_of(whole)) or "object")


def inside(document: Document, schema: Any) -> tuple[Schema, str]:
    """The schema that has members, through lists and single choices, and the component it is, if it is one."""
    name = ""
    for _ in range(MOST_STEPS):
        name = component(schema) or name
        whole = follow(document, schema)
        choices = choices_of(whole)[1]
        if isinstance(whole.get("items"), dict):
            schema, name = whole["items"], ""
        elif len(choices) == 1 and not isinstance(whole.get("properties"), dict):
            schema, name = choices[0], ""
        else:
            return whole, name
    return {}, ""


def members(document: Document, schema: Schema) -> list[Member]:
    """Of the schema and all that it is made of (``allOf``); a property counts once."""
    parts = list(_parts(document, schema))
    required = {str(n) for part in parts if isinstance(part.get("required"), list) for n in part["required"]}
    found: dict[tuple[str, str], Member] = {}
    for part in parts:
        for member in _own(document, part):
            found.setdefault((member.group, member.name), member)
    return [Member(m.name, m.schema, not m.group and m.name in required, m.group) for m in found.values()]


def _parts(document: Document, schema: Schema) -> Iterator[Schema]:
    waiting, seen = [schema], set[int]()
    while waiting and len(seen) < MOST_STEPS:
        here = follow(document, waiting.pop(0))
        if id(here) in seen:
            continue
        seen.add(id(here))
        yield here
        if isinstance(here.get("allOf"), list):
            waiting += here["allOf"]


def _own(document: Document, schema: Schema) -> Iterator[Member]:
    for word in ("properties", "patternProperties"):
        if isinstance(schema.get(word), dict):
            yield from (Member(str(name), inner) for name, inner in schema[word].items())
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        yield Member("any other name", schema["additionalProperties"])
    if isinstance(schema.get("prefixItems"), list):
        yield from (Member(f"[{i}]", inner) for i, inner in enumerate(schema["prefixItems"]))
    group, choices = choices_of(schema)
    if len(choices) > 1 and any(_has_members(document, c) for c in choices):
        yield from (Member(_name_of(document, c, i), c, group=group) for i, c in enumerate(choices, 1))


def _has_members(document: Document, schema: Any) -> bool:
    whole = inside(document, schema)[0]
    return any(word in whole for word in ("properties", "allOf", "oneOf", "anyOf", "additionalProperties"))


def _name_of(document: Document, schema: Any, number: int) -> str:
    whole = follow(document, schema)
    return component(schema) or str(whole.get("title") or "") or f"{number}. {kind_of(document, schema)}"


RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "properties"),
)


def limits(schema: Schema) -> list[str]:
    """In words: ``1 to 100``, ``at most 50 characters``, ``multiple of 5``."""
    said = []
    for low, high, what in RANGES:
        text = _range(schema, low, high)
        said += [f"{text} {what}".strip()] if text else []
    for key, words in (("pattern", "matches"), ("multipleOf", "multiple of"), ("default", "default")):
        if key in schema and not isinstance(schema[key], dict | list):
            said.append(f"{words} {_value(schema[key])}")
    if schema.get("uniqueItems") is True:
        said.append("no two the same")
    return said


def _range(schema: Schema, low: str, high: str) -> str:
    least, most = schema.get(low), schema.get(high)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low == "minimum":
        if _number(above) or (above is True and _number(least)):
            return f"more than {_value(above if _number(above) else least)}" + (
                f", at most {_value(most)}" if _number(most) else ""
            )
        if _number(below) or (below is True and _number(most)):
            return (f"at least {_value(least)}, " if _number(least) else "") + (
                f"less than {_value(below if _number(below) else most)}"
            )
    if _number(least) and _number(most):
        return f"exactly {_value(least)}" if least == most else f"{_value(least)} to {_value(most)}"
    if _number(least):
        return f"at least {_value(least)}"
    return f"at most {_value(most)}" if _number(most) else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value)) if not _number(value) else f"{value}"


def values(schema: Schema) -> list[str]:
    """The values that an enum or a constant allows, as far as they are listed."""
    if "const" in schema:
        return [_value(schema["const"])[:80]] if not isinstance(schema["const"], dict | list) else []
    said = schema.get("enum")
    if not isinstance(said, list):
        return []
    shown = [_value(v)[:80] for v in said[:MOST_SAID] if not isinstance(v, dict | list)]
    return [*shown, f"and {len(said) - MOST_SAID} more"] if len(said) > MOST_SAID else shown
