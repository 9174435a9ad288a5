"""A document as it is being written: every problem has its line, and the outline stays."""

from __future__ import annotations

import json

import pytest

from console.apis.check import MOST, check
from console.apis.outline import MOST as MOST_ENTRIES
from console.apis.reader import read
from tests.conftest import ORDERS

HEAD = 'openapi: 3.1.0\ninfo: {title: Orders, version: "1"}\n'
OLD = HEAD.replace("3.1.0", "3.0.3")


def marks(text: str) -> list[tuple[int, int, str]]:
    return [(p.line, p.column, p.rule) for p in check(text).problems]


def test_a_good_document_has_no_problem() -> None:
    for text in (ORDERS, json.dumps(read(ORDERS), indent=2)):
        assert check(text).problems == []
        assert check(text).is_good
        assert check(text).document == read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (1, 1, "syntax")),
        ("hello", (1, 1, "version")),
        ("a: 1", (1, 1, "version")),
        ("a: 1\nswagger: '2.0'", (2, 1, "version")),
        ("info: {}\nopenapi: 4.0.0", (2, 1, "version")),
        (HEAD + "paths:\n  /a:\n    get: [1, 2\n  /b: {}", (6, 5, "syntax")),
        (HEAD + "paths:\n  /a: {}\n  /a: {}", (5, 3, "syntax")),
        (HEAD + "paths:\n  /a:\n    $ref: other.yaml", (5, 5, "foreign-reference")),
        (HEAD + "paths:\n  /a:\n    get:\n      responses: 5", (6, 7, "schema")),
        (OLD + "paths:\n  /a:\n    get:\n      responses:\n        '200':\n          content: {}", (7, 9, "schema")),
        (OLD + "paths: {}\ncomponents:\n  schemas:\n    A:\n      type: strin", (7, 7, "schema")),
        (OLD + "paths: {}\ncomponents:\n  schemas:\n    A:\n      properties:\n        b:\n          maxLength: -1", (9, 11, "schema")),
        (HEAD + "paths:\n  /a:\n    get:\n      parameters:\n        - $ref: '#/no'", (7, 11, "dangling-reference")),
        (HEAD + "paths:\n  /a: {get: {operationId: a}}\n  /b: {get: {operationId: a}}", (5, 14, "operation-id-twice")),
        (HEAD + "paths:\n  /a/{b}:\n    get:\n      summary: A", (5, 5, "path-parameter")),
        ('{"openapi": "3.1.0",\n"info": {"title": "A" "version": "1"}}', (2, 23, "syntax")),
        ('{"openapi": "3.1.0", "info": {"title": "A", "version": "1"},\n"paths": {"/a": {"$ref": "#/b"}}}', (2, 18, "dangling-reference")),
    ],
)  # fmt: skip
def test_a_problem_has_its_line(text: str, found: tuple[int, int, str]) -> None:
    assert found in marks(text)
    assert not check(text).is_good


def test_what_json_lets_pass_is_a_warning() -> None:
    text = '{"openapi": "3.1.0", "info": {"title": "A", "title": "B", "version": "1"}, "paths": {}}'
    assert [(p.severity, p.message) for p in check(text).problems] == [("warning", "The key 'title' is there twice.")]
    assert check(text).is_good


def test_dangling_references_are_told_beside_what_does_not_fit() -> None:
    text = HEAD + "paths:\n  /a:\n    get:\n      responses: 5\n      x-a: {$ref: '#/no'}"
    assert {rule for _, _, rule in marks(text)} == {"schema", "dangling-reference"}


def test_problems_are_bounded() -> None:
    text = HEAD + "paths:\n" + "".join(f"  /p{i}: {{$ref: '#/no/{i}'}}\n" for i in range(MOST + 50))
    checked = check(text)
    assert len(checked.problems) == MOST
    assert checked.more == 50


def test_the_outline_has_every_part_with_its_line() -> None:
    parts = check(ORDERS).outline.entries
    assert [(e.kind, e.name, e.line) for e in parts] == [
        ("info", "Orders", 2),
        ("servers", "Servers", 10),
        ("tags", "Tags", 13),
        ("paths", "Paths", 20),
        ("components", "securitySchemes", 116),
        ("components", "responses", 125),
        ("components", "schemas", 131),
    ]
    first = parts[3].inside[0]
    assert (first.name, first.line) == ("/orders", 21)
    assert [(o.name, o.detail, o.line) for o in first.inside] == [
        ("GET", "List orders", 22),
        ("POST", "Place an order", 43),
    ]


@pytest.mark.parametrize("line", range(23, 136, 5))
def test_the_outline_stays_while_a_line_is_being_written(line: int) -> None:
    lines = ORDERS.split("\n")
    for broken in ("[1, 2", "'a", "\tb: 1", "{", "- x", "a: b: c"):
        text = "\n".join([*lines[: line - 1], "      " + broken, *lines[line:]])
        assert {"info", "servers", "tags", "paths"} <= {entry.kind for entry in check(text).outline.entries}


def test_the_outline_of_broken_json_goes_on_behind_the_mistake() -> None:
    text = json.dumps(read(ORDERS), indent=2).replace('"summary": "List orders",', '"summary": List orders')
    assert [entry.name for entry in check(text).outline.entries][-1] == "schemas"
    assert check(text).problems


def test_the_outline_is_bounded() -> None:
    text = HEAD + "paths:\n" + "".join(f"  /p{i}: {{get: {{}}}}\n" for i in range(MOST_ENTRIES))
    found = check(text).outline
    assert sum(1 + len(path.inside) for part in found.entries for path in part.inside) <= MOST_ENTRIES
    assert found.left_out == MOST_ENTRIES
