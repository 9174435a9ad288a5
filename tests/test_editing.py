"""Edits of a document's text say what was meant and touch nothing else: comments, order, quotes and lines stay."""

from __future__ import annotations

import copy
import difflib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ORDERS

from console.apis.editing import Source, same
from console.apis.reader import read
from console.errors import Refused

AWKWARD = Path(__file__).with_name("awkward.yaml").read_text()
SCHEMA = (Path(__file__).parent.parent / "console/apis/schemas/openapi-3.1.json").read_text()
DOCUMENTS = {
    "orders": ORDERS,
    "orders in json": json.dumps(read(ORDERS), indent=2),
    "orders in one line": json.dumps(read(ORDERS), separators=(",", ":")),
    "orders with tabs": json.dumps(read(ORDERS), indent="\t"),
    "orders of windows": ORDERS.replace("\n", "\r\n"),
    "awkward": AWKWARD,
    "schema": SCHEMA,
}
if folder := os.environ.get("GATEWRIGHT_TEST_DOCUMENTS"):  # further ones that a developer has at hand
    DOCUMENTS |= {p.name: p.read_text() for p in sorted(Path(folder).iterdir()) if p.stat().st_size < 1_300_000}
EDITS = int(os.environ.get("GATEWRIGHT_TEST_EDITS", "60"))
VALUES: tuple[Any, ...] = (
    "plain", "", " led", "yes", "1.0", "2024-01-01", "a: b", "# no comment", "it's", 'say "so"', "two\nlines", "ends\n",
    "  two\nled", "tab\there", "- dash", "é😀", "\x07bell", "null", "a,b", "{x}", "back\\slash", "long " * 40, "more\n\n\n",
    "trail \nx", "x\u2028y", "*star", "&and", "%p", "@at", "!bang", "|", "=", "0o17", "1:30", "key:", "\ttab",
    None, True, False, 0, -3, 1.5, 1e30, [], {}, [1, "two", None], {"type": "string"}, [[1], [{}]],
    {"a": {"b": ["c", {"d": "e\nf\n"}]}, "200": [], "yes": "no"}, [{"name": "x", "in": "query"}, "y"],
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def fresh(dice: random.Random) -> Any:
    return copy.deepcopy(dice.choice(VALUES))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def edited(text: str, data: Any, dice: random.Random) -> tuple[str, str, Any, tuple[Any, ...]]:
    """One edit at random: its name, the new text, and the same edit of the data."""
    path, value = dice.choice([p for p in places(data) if p[0]])
    new, source, wanted = fresh(dice), Source(text), copy.deepcopy(data)
    parent = at(wanted, path[:-1])
    verbs = ["set", "remove"] + ["rename"] * isinstance(parent, dict)
    verbs += ["add"] * isinstance(value, dict) + ["append", "insert"] * isinstance(value, list)
    verb = dice.choice(verbs)
    if verb == "set":
        parent[path[-1]] = new
        return verb, source.set(path, new), wanted, path
    if verb == "remove":
        del parent[path[-1]]
        return verb, source.remove(path), wanted, path
    if verb == "rename":
        name = dice.choice(["200", "yes", "a b", "x-new", "/pets/{id}", "key: x"])
        parent[name] = parent.pop(path[-1])
        return verb, source.rename(path, name), wanted, path
    if verb == "add":
        at(wanted, path)["x-added"] = new
        after = dice.choice([None, *value])
        return verb, source.add(path, "x-added", new, after=after), wanted, path
    where = dice.randrange(len(value) + 1) if verb == "insert" else len(value)
    at(wanted, path).insert(where, new)
    return verb, source.append(path, new, at=where if verb == "insert" and value else None), wanted, path


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_edit_says_what_was_meant_and_leaves_the_other_lines(name: str) -> None:
    text = DOCUMENTS[name]
    data, dice, done = read(text), random.Random(name), 0
    for _ in range(EDITS):
        try:
            verb, new, wanted, path = edited(text, data, dice)
        except Refused:
            continue
        done += 1
        assert same(read(new), wanted), (verb, path, diff(text, new))
        inside = comments(Source(text).text[slice(*extent(text, path))]) if verb in ("set", "remove") else []
        kept = [c for c in comments(text) if c not in inside]
        assert [c for c in comments(new) if c in kept] == kept, (verb, path, diff(text, new))
        assert untouched(text, new, path), (verb, path, diff(text, new))
        if dice.random() < 0.3:  # and on from there
            text, data = new, wanted
    assert done > EDITS * 0.7


def extent(text: str, path: tuple[Any, ...]) -> tuple[int, int]:
    """From the key of it, or of its parent that is written anew as an empty one, to its end."""
    source = Source(text)
    parent = source.find(path[:-1])
    if len(parent.inside) == 1 and path[:-1]:
        path = path[:-1]
        parent = source.find(path[:-1])
    begin = parent.keys[path[-1]] if isinstance(path[-1], str) else parent.inside[path[-1]]
    return begin.start, parent.inside[path[-1]].end


def untouched(text: str, new: str, path: tuple[Any, ...]) -> bool:
    """What differs lies within the lines of that part, or of the comma before it and the line after it."""
    if new == text:
        return True
    a, b = text.split("\n"), new.split("\n")
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    pairs = zip(reversed(a[first:]), reversed(b[first:]), strict=False)
    last = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)) - first)
    start, end = extent(text, path)
    return first >= text[:start].count("\n") - 1 and len(a) - last <= text[:end].count("\n") + 2


def diff(text: str, new: str) -> str:
    return "".join(list(difflib.unified_diff(text.splitlines(True), new.splitlines(True), n=2))[:40])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_change_of_a_whole_part_touches_only_what_differs(name: str) -> None:
    text = DOCUMENTS[name]
    data, dice = read(text), random.Random(name)
    parts = [
        p for p, v in places(data) if p and isinstance(v, dict | list) and 0 < len(json.dumps(v, default=str)) < 5000
    ]
    tried = dice.sample(parts, min(25, len(parts)))
    refused = 0
    for path in tried:
        wanted = mutated(at(data, path), dice)
        try:
            new = Source(text, data).change(path, wanted)
        except Refused:
            refused += 1
            continue
        expected = copy.deepcopy(data)
        at(expected, path[:-1])[path[-1]] = wanted
        assert same(read(new), expected), (path, diff(text, new))
    assert refused <= len(tried) * 0.2


def mutated(value: Any, dice: random.Random) -> Any:
    value = copy.deepcopy(value)
    for _ in range(dice.randrange(1, 5)):
        path, here = dice.choice(list(places(value)))
        if isinstance(here, dict) and dice.random() < 0.6:
            here[dice.choice(["x-new", "description", "type"])] = fresh(dice)
        elif isinstance(here, list) and dice.random() < 0.6:
            here.insert(dice.randrange(len(here) + 1), fresh(dice))
        elif path and dice.random() < 0.5:
            del at(value, path[:-1])[path[-1]]
        elif path:
            at(value, path[:-1])[path[-1]] = fresh(dice)
    return value
