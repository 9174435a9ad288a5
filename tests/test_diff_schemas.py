"""Every rule about schemas, by an example of before and after in each place where it can happen."""

from __future__ import annotations

import pytest

from console.apis.diff import RULES, Severity, compare
from console.apis.diff.schema_rules import MEMBERS, VALUES, schema_rules
from tests.documents import PLACES, Json, request, response

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
CAT = {"type": "object", "title": "Cat", "properties": {"purrs": {"type": "boolean"}}}
DOG = {"type": "object", "title": "Dog", "properties": {"barks": {"type": "boolean"}}}


def by(mapping: Json | None = None, name: str = "kind") -> Json:
    return {"oneOf": [CAT, DOG], "discriminator": {"propertyName": name} | ({"mapping": mapping} if mapping else {})}


def limits(keyword: str, name: str, base: Json) -> dict[str, tuple[Json, Json]]:
    less, more = base | {keyword: 3}, base | {keyword: 7}
    return {
        f"{name}-set": (base, less),
        f"{name}-removed": (less, base),
        f"{name}-increased": (less, more),
        f"{name}-decreased": (more, less),
    }


ARRAY, OBJECT = {"type": "array", "items": STRING}, {"type": "object"}
EXAMPLES: dict[str, tuple[Json, Json]] = {
    "type-changed": (INTEGER, {"type": "boolean"}),
    "type-generalized": (INTEGER, NUMBER),
    "type-specialized": (NUMBER, INTEGER),
    "became-nullable": (STRING, {"type": ["string", "null"]}),
    "became-not-nullable": (STRING | {"nullable": True}, STRING),
    "format-changed": (STRING | {"format": "date"}, STRING | {"format": "uuid"}),
    "format-generalized": (INTEGER | {"format": "int32"}, INTEGER | {"format": "int64"}),
    "format-specialized": (NUMBER | {"format": "double"}, NUMBER | {"format": "float"}),
    "format-added": (STRING, STRING | {"format": "uuid"}),
    "format-removed": (STRING | {"format": "uuid"}, STRING),
    "became-enum": (STRING, STRING | {"enum": ["a", "b"]}),
    "became-not-enum": (STRING | {"const": "a"}, STRING),
    "enum-value-added": (STRING | {"enum": ["a"]}, STRING | {"enum": ["a", "b"]}),
    "enum-value-removed": (INTEGER | {"enum": [1, 2]}, INTEGER | {"enum": [1]}),
    "pattern-added": (STRING, STRING | {"pattern": "^a"}),
    "pattern-changed": (STRING | {"pattern": "^a"}, STRING | {"pattern": "^b"}),
    "pattern-removed": (STRING | {"pattern": "^a"}, STRING | {"pattern": ".*"}),
    "multiple-of-set": (INTEGER, INTEGER | {"multipleOf": 2}),
    "multiple-of-changed": (INTEGER | {"multipleOf": 2}, INTEGER | {"multipleOf": 3}),
    "multiple-of-removed": (INTEGER | {"multipleOf": 2}, INTEGER),
    "unique-items-set": (ARRAY, ARRAY | {"uniqueItems": True}),
    "unique-items-removed": (ARRAY | {"uniqueItems": True}, ARRAY),
    "additional-properties-disallowed": (OBJECT, OBJECT | {"additionalProperties": False}),
    "additional-properties-allowed": (OBJECT | {"additionalProperties": False}, OBJECT | {"additionalProperties": {}}),
    "default-value-added": (STRING, STRING | {"default": "a"}),
    "default-value-changed": (STRING | {"default": "a"}, STRING | {"default": "b"}),
    "default-value-removed": (STRING | {"default": "a"}, STRING),
    "deprecated": (STRING, STRING | {"deprecated": True}),
    "reactivated": (STRING | {"deprecated": True}, STRING),
    "one-of-added": (CAT, {"oneOf": [CAT, DOG]}),
    "one-of-removed": ({"oneOf": [CAT, DOG, STRING]}, {"oneOf": [CAT, STRING]}),
    "any-of-added": ({"anyOf": [CAT, STRING]}, {"anyOf": [DOG, CAT, STRING]}),
    "any-of-removed": ({"anyOf": [STRING, INTEGER]}, INTEGER),
    "variants-set": (
        OBJECT | {"properties": {"a": STRING}},
        OBJECT | {"properties": {"a": STRING}, "anyOf": [CAT, DOG]},
    ),
    "variants-unset": (CAT | {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, CAT),
    "not-set": (STRING, STRING | {"not": {"const": ""}}),
    "not-changed": (STRING | {"not": {"const": "a"}}, STRING | {"not": {"const": "b"}}),
    "not-removed": (STRING | {"not": {"const": "a"}}, STRING),
    "discriminator-added": ({"oneOf": [CAT, DOG]}, by()),
    "discriminator-changed": (by(), by(name="sort")),
    "discriminator-removed": (by(), {"oneOf": [CAT, DOG]}),
    "discriminator-value-added": (by({"c": "Cat"}), by({"c": "#/components/schemas/Cat", "d": "Dog"})),
    "discriminator-value-changed": (by({"c": "Cat"}), by({"c": "Dog"})),
    "discriminator-value-removed": (by({"c": "Cat", "d": "Dog"}), by({"c": "Cat"})),
    "condition-changed": (OBJECT, OBJECT | {"dependentRequired": {"a": ["b"]}}),
}
EXAMPLES |= limits("maximum", "max", INTEGER) | limits("minimum", "min", NUMBER)
EXAMPLES |= limits("maxLength", "max-length", STRING) | limits("minLength", "min-length", STRING)
EXAMPLES |= limits("maxItems", "max-items", ARRAY) | limits("minItems", "min-items", ARRAY)
EXAMPLES |= limits("maxProperties", "max-properties", OBJECT) | limits("minProperties", "min-properties", OBJECT)


def members(required: str = "", **properties: Json) -> Json:
    return OBJECT | {"properties": properties, "required": required.split()}


READ, WRITE = STRING | {"readOnly": True}, STRING | {"writeOnly": True}
MEMBER_EXAMPLES: dict[str, tuple[Json, Json]] = {
    "required-property-added": (members(), members("a", a=STRING)),
    "required-property-with-default-added": (members(), members("a", a=STRING | {"default": "b"})),
    "optional-property-added": (members(), members(a=STRING)),
    "required-property-removed": (members("a", a=STRING), members()),
    "optional-property-removed": (members(a=STRING), members()),
    "property-no-longer-allowed": (members(a=STRING), members() | {"additionalProperties": False}),
    "property-became-required": (members(a=STRING), members("a", a=STRING)),
    "property-became-required-with-default": (
        members(a=STRING | {"default": "b"}),
        members("a", a=STRING | {"default": "b"}),
    ),
    "property-became-optional": (members("a", a=STRING), members(a=STRING)),
    "property-became-read-only": (members("a", a=STRING), members("a", a=READ)),
    "required-property-became-not-read-only": (members("a", a=READ), members("a", a=STRING)),
    "optional-property-became-not-read-only": (members(a=READ), members(a=STRING)),
    "property-became-write-only": (members(a=STRING), members(a=WRITE)),
    "property-became-not-write-only": (members(a=WRITE), members(a=STRING)),
}
VALUE_CASES = [(place, kind) for kind in VALUES for place in PLACES]
MEMBER_CASES = [
    (side, kind)
    for kind, (in_request, in_response, _) in MEMBERS.items()
    for side, severity in (("request", in_request), ("response", in_response))
    if severity
]


@pytest.mark.parametrize(("place", "kind"), VALUE_CASES)
def test_a_change_of_a_value_is_found_where_it_is(place: str, kind: str) -> None:
    old, new = (PLACES[place](schema) for schema in EXAMPLES[kind])
    found = {change.rule: change for change in compare(old, new).changes}
    change = found[f"{place}-{kind}"]
    assert change.severity is VALUES[kind][0 if place.startswith("request") else 1]
    assert change.text.startswith("`GET /pets`: ")
    assert "None" not in change.text
    assert {rule for rule in found if RULES[rule].severity is Severity.BREAKING} <= {change.rule}


@pytest.mark.parametrize(("side", "kind"), MEMBER_CASES)
def test_a_change_of_a_property_is_found(side: str, kind: str) -> None:
    old, new = ({"request": request, "response": response}[side](schema) for schema in MEMBER_EXAMPLES[kind])
    changes = [c for c in compare(old, new).changes if "additional" not in c.rule]
    assert [c.rule for c in changes] == [f"{side}-{kind}"]
    assert changes[0].severity is MEMBERS[kind][0 if side == "request" else 1]
    assert "`a`" in changes[0].text


def test_every_rule_about_schemas_has_an_example() -> None:
    assert EXAMPLES.keys() == VALUES.keys()
    assert MEMBER_EXAMPLES.keys() == MEMBERS.keys()
    tried = {f"{place}-{kind}" for place, kind in VALUE_CASES} | {f"{side}-{kind}" for side, kind in MEMBER_CASES}
    assert tried == schema_rules().keys()


def test_what_one_direction_forbids_the_other_allows() -> None:
    """A request that takes less is never safe, and then the response is; rules that differ but little are not looked at."""
    for kind, (in_request, in_response, _) in VALUES.items():
        if Severity.BREAKING in (in_request, in_response) and in_request is not in_response:
            assert Severity.SAFE in (in_request, in_response), kind
