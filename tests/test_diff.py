"""The comparison as a whole: what is equal, what belongs to which operation, what order and bounds it keeps."""

from __future__ import annotations

import copy
import random
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from console.apis import openapi
from console.apis.diff import Change, Severity, changes, compare, schemas
from tests.conftest import ORDERS
from tests.documents import OK, Json, document, header, operation, parameter, request, response, thing

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
PET = {"$ref": "#/components/schemas/Pet"}
A, B = {"a": STRING}, {"b": INTEGER}
# what is written in one way in OpenAPI 3.0 and in another in 3.1, or in two ways in either
SPELLINGS: dict[str, tuple[Any, Any]] = {
    "nullable": (STRING | {"nullable": True}, {"type": ["null", "string"]}),
    "nullable reference": ({"allOf": [PET], "nullable": True}, {"oneOf": [PET, {"type": "null"}]}),
    "nullable enum": (STRING | {"nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
    "nullable variants": (
        {"nullable": True, "anyOf": [STRING, INTEGER]},
        {"anyOf": [STRING, {"type": "null"}, INTEGER]},
    ),
    "exclusive bounds": (
        {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        {"type": "number", "exclusiveMinimum": 0.0},
    ),
    "no exclusive bounds": (INTEGER | {"maximum": 9, "exclusiveMaximum": False}, INTEGER | {"exclusiveMaximum": 10}),
    "example": (STRING | {"example": "a"}, STRING | {"examples": ["a", "b"]}),
    "constant": (STRING | {"enum": ["a"]}, STRING | {"const": "a"}),
    "base64": (STRING | {"format": "byte"}, STRING | {"contentEncoding": "base64"}),
    "allOf": (
        {"allOf": [{"properties": A}, {"properties": B, "required": ["b"]}]},
        {"properties": A | B, "required": ["b"]},
    ),
    "allOf of a reference": ({"allOf": [PET]}, PET),
    "what a reference names": (PET, {"type": "object", "properties": {"age": INTEGER}}),
    "union of one": ({"oneOf": [STRING]}, STRING),
    "kind of union": ({"oneOf": [STRING, INTEGER]}, {"anyOf": [INTEGER, STRING]}),
    "order": ({"enum": ["a", "b"], "required": ["a", "b"]}, {"required": ["b", "a"], "enum": ["b", "a"]}),
    "says nothing": (
        {},
        {"additionalProperties": True, "required": [], "uniqueItems": False, "minItems": 0, "items": {}},
    ),
    "true": (True, {}),
    "texts": (STRING | {"title": "A", "description": "a", "x-a": 1}, STRING | {"description": "b"}),
    "type that goes without saying": ({"properties": A}, {"type": "object", "properties": A}),
}


def with_pet(made: Json, **schemas: Any) -> Json:
    return made | {"components": {"schemas": {"Pet": {"type": "object", "properties": {"age": INTEGER}}} | schemas}}


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_is_no_change(name: str) -> None:
    one, other = SPELLINGS[name]
    for make in (request, response, lambda s: response(thing(s)), lambda s: request({"type": "array", "items": s})):
        assert compare(with_pet(make(one)), with_pet(make(other))).changes == []
        assert compare(with_pet(make(other)), with_pet(make(one))).changes == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (parameter(STRING), parameter(STRING, style="form", explode=True, required=False)),
        (parameter(STRING), parameter(STRING, style="spaceDelimited", explode=False)),  # of one value
        (parameter(STRING, "header", "X-Trace"), parameter(STRING, "header", "x-trace")),
        (
            parameter(STRING),
            document(path="/pets")
            | {
                "paths": {
                    "/pets": {
                        "parameters": [{"name": "limit", "in": "query", "schema": STRING}],
                        "get": {"responses": OK},
                    }
                }
            },
        ),
        (document({}, servers=[{"url": "/v1"}]), document({}, servers=[{"url": "/v1/", "description": "first"}])),
        (operation(security=[]), operation(security=[{}])),
        (document({}, security=[{"key": []}]), document({"security": [{"key": []}]}, security=[{"key": []}])),
        (header(STRING), header(STRING, required=False)),
        (
            operation(requestBody={"content": {"application/json": {}}}),
            operation(requestBody={"content": {"Application/JSON; charset=utf-8": {}}}),
        ),
        (operation(responses={"2XX": {"description": "a"}}), operation(responses={"2xx": {"description": "b"}})),
        (operation(parameters=[{"name": "Accept", "in": "header"}]), operation()),
    ],
)
def test_another_spelling_of_an_operation_is_no_change(one: Json, other: Json) -> None:
    assert compare(one, other).changes == []
    assert compare(other, one).changes == []


def test_a_document_is_equal_to_itself_and_to_itself_in_another_order() -> None:
    sample = openapi.parse(ORDERS)
    for other in (sample, copy.deepcopy(sample), turned(sample)):
        found = compare(sample, other)
        assert not found
        assert found.worst is None


def turned(node: Any) -> Any:
    """Members of objects in the other order; of lists, order may matter."""
    if isinstance(node, dict):
        return {key: turned(node[key]) for key in reversed(node)}
    return [turned(one) for one in node] if isinstance(node, list) else node


def test_a_scheme_of_another_name_is_the_same_scheme() -> None:
    one, other = (
        document(
            {"security": [{name: []}]}, components={"securitySchemes": {name: {"type": "http", "scheme": "basic"}}}
        )
        for name in ("basic", "Basic")
    )
    assert compare(one, other).changes == []


def many(count: int, schema: Any) -> Json:
    """So many operations that answer with a list of the component Pet."""
    answer = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": PET}}}}}
    paths = {f"/pets/{i}": {"get": {"responses": answer}} for i in range(count)}
    made = document() | {"paths": paths, "components": {"schemas": {"Pet": schema}}}
    parsed: Json = orjson.loads(orjson.dumps(made))  # nothing is shared, as in a file
    return parsed


def test_a_component_is_compared_once_and_its_change_told_of_each_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    visited: list[Any] = []
    real = schemas.Schemas._views
    monkeypatch.setattr(schemas.Schemas, "_views", lambda *args: visited.append(args) or real(*args))
    found = compare(many(500, thing(STRING)), many(500, thing(INTEGER)))
    assert found.count(Severity.BREAKING) == len(found.breaking_operations) == 500
    assert found.changes[7].text == "`GET /pets/7`: property `[].it` of response 200 is integer now, not string"
    assert len([a for a in visited if a[3].properties]) == 1
    assert {len(group) for group in found.by_operation().values()} == {1}


def test_a_component_counts_for_each_direction() -> None:
    old, new = (
        document(
            {"responses": {"200": {"description": "", "content": {"a/b": {"schema": PET}}}}},
            {"requestBody": {"content": {"a/b": {"schema": PET}}}},
            components={"schemas": {"Pet": thing({"enum": values})}},
        )
        for values in (["a"], ["a", "b"])
    )
    assert [(c.rule, c.severity, c.operation) for c in compare(old, new).changes] == [
        ("response-property-enum-value-added", "risky", "GET /pets"),
        ("request-property-enum-value-added", "safe", "POST /pets"),
    ]
    assert [c.severity for c in compare(new, old).changes] == ["breaking", "safe"]


def test_references_may_go_in_circles() -> None:
    def tree(value: Any) -> Json:
        node = {"type": "object", "properties": {"value": value, "children": {"type": "array", "items": PET}}}
        return with_pet(response(PET), Pet=node | {"allOf": [{"properties": {"next": {"allOf": [PET]}}}]})

    [change] = compare(tree(STRING), tree(INTEGER)).changes
    assert change.text == "`GET /pets`: property `value` of response 200 is integer now, not string"
    assert compare(tree(STRING), tree(STRING)).changes == []


def test_a_change_behind_many_references_is_found_though_everything_else_reads_the_same() -> None:
    chain = {f"S{i}": thing({"$ref": f"#/components/schemas/S{i + 1}"}) for i in range(40)}
    old, new = (with_pet(response({"$ref": "#/components/schemas/S0"}), S40=end, **chain) for end in (STRING, INTEGER))
    [change] = compare(old, new).changes
    assert change.text.count("it.") == 39


def test_a_change_behind_a_reference_to_elsewhere_is_found() -> None:
    elsewhere = {"$ref": "#/paths/~1pets/get/responses/200/content/application~1json/schema"}
    old, new = (response(schema) for schema in (STRING, INTEGER))
    for made in (old, new):
        made["paths"]["/pets"]["post"] = {"requestBody": {"content": {"a/b": {"schema": elsewhere}}}, "responses": OK}
    assert {c.operation for c in compare(old, new).changes} == {"GET /pets", "POST /pets"}


def test_breaking_comes_first_then_risky_then_safe_each_in_document_order() -> None:
    old = document(
        {"tags": ["a"], "parameters": [{"name": "q", "in": "query"}]}, {}, info={"title": "a", "version": "1"}
    )
    new = document({"tags": ["b"]}, info={"title": "b", "version": "1"})
    assert [c.rule for c in compare(old, new).changes] == [
        "api-removed-without-deprecation",
        "request-parameter-removed",
        "info-title-changed",
        "api-tag-removed",
        "api-tag-added",
    ]
    assert compare(old, new).breaking_operations == [("POST", "/pets")]


def test_changes_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_CHANGES", 10)
    old = many(30, thing(STRING))
    new = many(30, thing(INTEGER)) | {"info": {"title": "Other", "version": "1"}}
    found = compare(old, new)
    assert [c.severity for c in found.changes] == ["breaking"] * 10
    assert (found.more, found.count(Severity.BREAKING), found.count(Severity.SAFE)) == (21, 30, 1)
    assert len(found.breaking_operations) == 30


def test_what_is_said_of_every_media_type_is_said_once() -> None:
    def made(**kinds: Any) -> Json:
        content = {name.replace("_", "/"): {"schema": thing(schema)} for name, schema in kinds.items()}
        return operation(responses={"200": {"description": "", "content": content}})

    old = made(a_json=STRING, a_xml=STRING)
    assert [c.sentence for c in compare(old, made(a_json=INTEGER, a_xml=INTEGER)).changes] == [
        "property `it` of response 200 is integer now, not string"
    ]
    assert [c.sentence for c in compare(old, made(a_json=STRING, a_xml=INTEGER)).changes] == [
        "property `it` of response 200 (a/xml) is integer now, not string"
    ]


def test_in_a_query_a_number_is_text_too() -> None:
    assert compare(parameter(INTEGER), parameter(STRING)).worst is Severity.SAFE
    assert compare(request(INTEGER), request(STRING)).worst is Severity.BREAKING


def test_changes_are_kept_as_json() -> None:
    [change] = compare(response(thing(STRING)), response(thing(INTEGER))).changes
    kept = orjson.loads(orjson.dumps(asdict(change)))
    assert Change(**kept | {"severity": Severity(kept["severity"])}) == change
    assert kept["severity"] == "breaking"


ODD = [
    None,
    True,
    False,
    0,
    -1,
    1e308,
    "",
    "null",
    "#",
    "#/",
    "#/components/schemas/Pet",
    [],
    [[]],
    {},
    {"$ref": 5},
    [None],
    "x" * 300,
]


def mutated(chance: random.Random, node: Any) -> None:
    """One value somewhere is another one, gone, or has a strange neighbour."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(node[key], dict | list) and chance.random() < 0.85:
            node = node[key]
            continue
        kind = chance.random()
        if kind < 0.6:
            node[key] = copy.deepcopy(chance.choice(ODD))
        elif kind < 0.8:
            del node[key]
        elif isinstance(node, dict):
            node[
                chance.choice(["type", "enum", "allOf", "anyOf", "items", "properties", "required", "$ref", "not"])
            ] = chance.choice(ODD)
        return


@pytest.mark.parametrize("seed", range(4))
def test_no_value_in_a_document_makes_it_raise(seed: int) -> None:
    chance = random.Random(seed)
    documents = [
        openapi.parse(ORDERS),
        many(3, SPELLINGS["allOf"][0]),
        with_pet(request(SPELLINGS["nullable reference"][0])),
    ]
    for _ in range(400):
        old = chance.choice(documents)
        new = copy.deepcopy(old)
        for _ in range(chance.randrange(1, 8)):
            mutated(chance, new)
        orjson.dumps([asdict(change) for one in (compare(old, new), compare(new, old)) for change in one.changes])


def test_schemas_made_to_entangle_end_in_time() -> None:
    """Each of 40 components is made of all others, and has each of them as a property."""
    names = [f"S{i}" for i in range(40)]
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    old, new = (
        document(
            {"responses": {"200": {"description": "", "content": {"a/b": {"schema": refs[0]}}}}},
            components={
                "schemas": {
                    n: {"allOf": refs, "properties": {key: {"allOf": [*refs[i:], end]} for key in names}}
                    for i, n in enumerate(names)
                }
            },
        )
        for end in (STRING, INTEGER)
    )
    began = time.process_time()
    compare(old, new)
    assert time.process_time() - began < 30


def test_it_knows_no_flask_and_no_database() -> None:
    imports = re.compile(r"^ *(?:from|import) (\S+)", re.MULTILINE)
    files = Path(schemas.__file__).parent.glob("*.py")
    known = {name for file in files for name in imports.findall(file.read_text()) if name.startswith("..")}
    assert known == {"..openapi"}
    assert not {"flask", "sqlalchemy"} & {
        name.partition(".")[0] for name in imports.findall(Path(openapi.__file__).read_text())
    }
