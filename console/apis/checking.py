"""What is wrong with a text, each with its line, and what is in it. As you type, so nothing here asks the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from . import openapi
from .check import Problem as Problem
from .check import check as looked_at
from .editing import Source
from .marks import Node

MOST = 2000  # entries of an outline


@dataclass(frozen=True)
class Entry:
    """Of the outline. ``group``: a path, or what kind of thing it is."""

    kind: str  # operation, schema
    group: str
    name: str
    line: int


def check(text: str) -> list[Problem]:
    """What keeps the text from being a good document, and what is odd in it, by line; nothing when it is one."""
    return looked_at(text).problems


def outline(text: str) -> list[Entry] | None:
    """Operations and schemas in their order, with their lines; None while the text cannot be read."""
    try:
        source = Source(text, {})
    except Refused:
        return None
    entries = []
    for path, item in _members(source.root, "paths"):
        methods = [(k, n) for k, n in item.keys.items() if k in openapi.METHODS]
        entries += [Entry("operation", path, k.upper(), source.lines.of(n.start) + 1) for k, n in methods]
    components = source.root.inside.get("components")
    schemas = _members(components, "schemas") if components else []
    keys = components.inside["schemas"].keys if components and schemas else {}
    entries += [Entry("schema", "Schemas", name, source.lines.of(keys[name].start) + 1) for name, _ in schemas]
    return entries[:MOST]


def _members(node: Node, key: str) -> list[tuple[str, Node]]:
    inner = node.inside.get(key)
    return [(str(k), n) for k, n in inner.inside.items()] if inner and inner.kind == "map" else []


def entries_of(document: dict[str, Any]) -> list[Entry]:
    """The outline of a document whose text is not at hand; its lines are 0."""
    entries = [Entry("operation", o.path, o.method.upper(), 0) for o in openapi.operations(document)]
    schemas = (document.get("components") or {}).get("schemas") or {}
    return (entries + [Entry("schema", "Schemas", name, 0) for name in schemas])[:MOST]
