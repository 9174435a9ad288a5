"""Documents that somebody made to hurt: each is refused in a moment, with a sentence, and never breaks anything."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from console.apis import openapi
from console.apis.openapi import Unacceptable
from console.apis.reader import LARGEST_BYTES, read
from console.catalog import reference
from console.errors import Refused

HEAD = 'openapi: 3.1.0\ninfo: {title: Orders, version: "1"}\n'
PATIENCE_S = 5.0  # a second on a quiet machine


def chain_of_aliases(links: int, levels: int) -> str:
    lines = ["a0: &a0 " + "[" * levels + "]" * levels]
    lines += [f"a{i}: &a{i} " + "[" * levels + f"*a{i - 1}" + "]" * levels for i in range(1, links)]
    return "\n".join(lines)


def laughs(levels: int = 9) -> str:
    lines = ["a0: &a0 [lol]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "nothing": "",
    "blanks": " \n\t ",
    "50 MB": "a" * 50_000_000,
    "just above the limit": "a: " + "b" * LARGEST_BYTES,
    "a billion laughs": laughs(),
    "one long text, many times": 'a: &a "' + "x" * 100_000 + '"\nb: [' + "*a," * 90_000 + "]",
    "one long key, many times": "a: &a {" + "x" * 1000 + ": 1}\nb: [" + "*a," * 90_000 + "]",
    "depth by aliases": chain_of_aliases(40, 90),
    "an anchor within itself": "a: &a [*a]",
    "an alias of nothing": "a: *b",
    "deep YAML": "a: " + "[" * 500_000,
    "deep block YAML": "- " * 5000 + "a",
    "deep JSON": "[" * 500_000 + "]" * 500_000,
    "deep JSON that orjson takes": '{"a":' * 500 + "1" + "}" * 500,
    "quotes without an end": "{" + '\\"' * 500_000,
    "a text without an end": '{"a": "' + '\\"' * 500_000,
    "a key twice": "a: 1\na: 2",
    "merge keys": "a: &a {b: 1}\nc:\n  <<: *a",
    "two documents": "a: 1\n---\nb: 2",
    "a key that is a list": "? [a]\n: 1",
    "a NUL": "a: \x00",
    "not YAML": "a: [1, 2",
    "a tab": "a:\n\t- b",
    "not JSON": '{"a": 1,}',
    "infinity in JSON": '{"a": 1e999}',
    "NaN in JSON": '{"a": NaN}',
    "a lone surrogate in JSON": '{"a": "\\ud800"}',
    "a lone surrogate": "a: \ud800",
    "a lone surrogate in YAML": 'a: "\\ud800"',
    "a Python object": "!!python/object/apply:os.system ['true']: 1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused_in_a_moment(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(Refused) as refused:
        read(text)
    assert time.monotonic() - started < PATIENCE_S
    assert 10 < len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: 2026-11-23", {"a": "2026-11-23"}),
        ("a: 010", {"a": 10}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: '1'", {"a": "1"}),
        ("a: 1e999", {"a": "1e999"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: ~", {"a": None}),
        ("200: ok", {"200": "ok"}),
        ("a: !!python/name:os.system x", {"a": "x"}),
        ("{a: [b, 'c']}", {"a": ["b", "c"]}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not an OpenAPI document"),
        ("hello", "not an OpenAPI document"),
        ("a: 1", "`openapi`"),
        ("swagger: '2.0'", "Swagger 2.0"),
        ("openapi: 4.0.0", "not supported"),
        ("openapi: 3.1.0", "info"),
        (HEAD + "paths: {/a: {$ref: 'file:///etc/passwd'}}", "leads out of the document"),
        (HEAD + "paths: {/a: {$ref: 'http://169.254.169.254/latest'}}", "leads out of the document"),
        (HEAD + "paths: {/a: {$ref: '../other.yaml#/a'}}", "leads out of the document"),
        (HEAD + "paths: {/a: {$ref: '#/nowhere'}}", "leads nowhere"),
        (HEAD + "paths: {/a: {$ref: '#/paths/~1a'}}", "leads nowhere"),
        (HEAD + "paths: {}\ntags: [{name: a}]\nx-a: {$ref: '#/tags/²'}", "leads nowhere"),
        (HEAD + "paths: {}\ntags: [{name: a}]\nx-a: {$ref: '#/tags/" + "1" * 5000 + "'}", "leads nowhere"),
        (HEAD + "paths: {'/a/{b}': {get: {responses: {'200': {description: a}}}}}", "path parameter b"),
    ],
)
def test_what_is_no_good_openapi_is_told_so(text: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unacceptable) as refused:
        openapi.parse(text)
    assert said in " ".join(refused.value.problems)
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize(
    "odd", ["tags: 5", "parameters: 3", "operationId: [1]", "parameters: [{name: [1], in: path}]", "tags: {a: 1}"]
)
def test_a_reference_to_another_kind_of_thing_breaks_nothing(odd: str) -> None:
    text = HEAD + "paths: {/a: {$ref: '#/components/schemas/X'}}\ncomponents: {schemas: {X: {get: {" + odd + "}}}}"
    with pytest.raises(Unacceptable, match="cannot be published"):
        openapi.parse(text)


def described(document: dict[str, Any]) -> list[reference.Described]:
    return [reference.describe(document, operation) for operation in openapi.operations(document)]


@pytest.mark.parametrize(
    "odd", ["responses: 7", "requestBody: {content: {a: 1}}", "requestBody: {content: {a/json: {schema: {allOf: 3}}}}"]
)
def test_an_odd_operation_is_shown_without_what_is_odd(odd: str) -> None:
    text = HEAD + "paths: {/a: {$ref: '#/components/schemas/X'}}\ncomponents: {schemas: {X: {get: {" + odd + "}}}}"
    assert len(described(openapi.parse(text))) == 1


def test_schemes_of_another_kind_break_nothing() -> None:
    text = (
        HEAD
        + "paths: {}\ncomponents: {securitySchemes: {a: {$ref: '#/components/schemas/X'}}, schemas: {X: {flows: {q: {scopes: [1]}}}}}"
    )
    with pytest.raises(Unacceptable):
        openapi.parse(text)


def test_many_braces_in_a_path_take_no_time() -> None:
    started = time.monotonic()
    get = {"get": {"responses": {"200": {"description": "a"}}}}
    document = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/" + "{" * 100_000: get}}
    openapi.parse(orjson.dumps(document).decode())
    assert time.monotonic() - started < PATIENCE_S


def document_with(schemas: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}
    operation = {"responses": {"200": {"description": "ok", "content": content}}}
    document = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"get": operation}}}
    return openapi.parse(orjson.dumps(document | {"components": {"schemas": schemas}}).decode())


def ref(number: int) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/S{number}"}


SCHEMAS = {
    "itself": {"S0": {"allOf": [ref(0)], "properties": {"a": ref(0)}, "items": ref(0), "oneOf": [ref(0)]}},
    "a long chain": {f"S{i}": {"allOf": [ref(i + 1)]} for i in range(3000)} | {"S3000": {}},
    "a long chain of choices": {f"S{i}": {"oneOf": [ref(i + 1)]} for i in range(3000)} | {"S3000": {}},
    "a long chain of lists": {f"S{i}": {"items": ref(i + 1)} for i in range(3000)} | {"S3000": {}},
    "doubling": {f"S{i}": {"allOf": [ref(i + 1), ref(i + 1)]} for i in range(60)} | {"S60": {}},
    "wide and deep": {f"S{i}": {"properties": {f"p{j}": ref(i + 1) for j in range(60)}} for i in range(8)} | {"S8": {}},
    "everything with everything": {f"S{i}": {"properties": {f"p{j}": ref(j) for j in range(60)}} for i in range(60)},
}


@pytest.mark.parametrize("schemas", SCHEMAS.values(), ids=SCHEMAS)
def test_the_reference_of_a_tangled_document_is_made_in_a_moment(schemas: dict[str, Any]) -> None:
    started = time.monotonic()
    assert len(described(document_with(schemas))) == 1
    assert time.monotonic() - started < PATIENCE_S
