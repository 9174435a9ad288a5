"""Where a thing stands in its text, and what stands at a line; in JSON, in YAML, and in what is broken."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from console.apis.positions import Mark, Positions, path_at
from console.apis.reader import read
from tests.conftest import ORDERS

ODD = '\ufeff# a comment\r\na: |\r\n  two\r\n  lines\r\n\r\n"b c": [1, {d: é}, "x\\ty"]\r\ne: &e\r\n  f:\r\ng: *e\r\n'


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, inside in pairs for leaf in leaves(inside, (*path, key))]
    return [(path, value)]


@pytest.mark.parametrize(
    "text",
    [ORDERS, json.dumps(read(ORDERS), indent=2), json.dumps(read(ORDERS)), json.dumps(read(ORDERS), indent="\t"), ODD],
    ids=["YAML", "JSON", "JSON in one line", "JSON with tabs", "odd YAML"],
)
def test_every_value_stands_where_it_is_said_to(text: str) -> None:
    positions = Positions(text)
    lines = text.splitlines()
    for path, value in leaves(read(text)):
        span = positions.span(path)
        assert span is not None, path
        assert positions.scalar(path) == (None if path[0] == "g" and value is None else value)
        if span.key is not None and path[0] != "g":
            assert lines[span.key.line - 1][span.key.column - 1 :].lstrip('"').startswith(str(path[-1]))
        assert span.start <= span.value <= span.end


def test_a_span_ends_with_its_last_character() -> None:
    text = "a:\n  b: |\n    x\n\n\n# c\nc: 1\n"
    positions = Positions(text)
    assert positions.span(("a",)) == Positions(text).nearest(("a", "nothing"))
    assert [positions.nearest(p).end for p in (("a",), ("a", "b"), ("c",))] == [Mark(3, 6), Mark(3, 6), Mark(7, 5)]
    assert positions.span(("a", "nothing")) is None


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (1, ("openapi",)),
        (3, ("info", "title")),
        (21, ("paths", "/orders")),
        (8, ("info", "contact")),
        (11, ("servers", 0)),
        (22, ("paths", "/orders", "get")),
        (0, ()),
        (9999, ()),
    ],
)
def test_a_line_says_what_stands_there(line: int, path: tuple[str, ...]) -> None:
    assert path_at(ORDERS, line) == path


def test_there_and_back_again() -> None:
    for text in (ORDERS, json.dumps(read(ORDERS), indent=1)):
        positions = Positions(text)
        for path, _ in leaves(read(text)):
            at = positions.path_at(positions.line(path))
            assert at
            assert path[: len(at)] == at


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ('{"a": 1,\n "b" 2}', [(2, 6)]),
        ('{"a": [1, 2\n, "b": 3}', [(1, 7), (2, 6), (2, 6)]),
        ('{"a": 1,}', [(1, 8)]),
        ('{"a": "x}\n', [(1, 1), (1, 7)]),
        ("{'a': 1, \"b\": 2}", [(1, 2)]),
        ('{"a": 1, "a": 2}', [(1, 10)]),
        ("a: [1,\nb: 2\nc: 3", [(3, 2)]),
        ("a:\n\tb: 1", [(2, 1)]),
        ("a: 1\na: 2", [(2, 1)]),
        ("a: 1\n<<: {b: 1}", [(2, 1)]),
        ("a: *b", [(1, 4)]),
    ],
)
def test_what_is_broken_says_where(text: str, marks: list[tuple[int, int]]) -> None:
    positions = Positions(text)
    found = {(m.line, m.column) for m in (positions.mark(fault.offset) for fault in positions.faults)}
    assert found & set(marks), [(positions.mark(f.offset), f.message) for f in positions.faults]


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "[", "{", "]", '{"', '{"a', '{"a":', '{"a":}', "{]", "[}", "{,}", "[,]", ":", '"', "a: \x00", "- " * 5000,
     "[" * 500_000, '{"a":' * 5000, "&a [*a]", "? [a]\n: 1", "\ufeff", "a: 1\n---\nb: 2", "%", "\ud800", '{"a": "\\ud800"}'],
)  # fmt: skip
def test_nothing_breaks_it(text: str) -> None:
    positions = Positions(text)
    assert isinstance(positions.faults, list)
    assert positions.path_at(1) is not None
    assert positions.nearest(("a", 0)).start.line >= 1


def test_large_documents_take_no_time() -> None:
    document = read(ORDERS)
    document["paths"] = {f"/p{i}{path}": item for i in range(400) for path, item in document["paths"].items()}
    document = json.loads(json.dumps(document))  # else its parts are shared, and YAML writes aliases
    for text in (yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False), json.dumps(document)):
        assert len(text) > 1_000_000
        started = time.process_time()
        assert Positions(text).span(("paths", "/p399/orders", "get")) is not None
        assert time.process_time() - started < 2.0  # a fifth of a second on a quiet machine
