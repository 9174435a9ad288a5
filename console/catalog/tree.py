"""A schema as a tree that fits a page: level by level, until there is no more room; what is cut names where it goes on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..apis.openapi import follow
from . import schemas
from .schemas import Document, Schema

DEEPEST = 7
MOST_NODES = 160


@dataclass
class Node:
    """One line of the tree. ``link``: the component whose own page says what is in it, because this tree does not."""

    name: str
    kind: str
    required: bool = False
    group: str = ""
    note: str = ""  # CommonMark
    limits: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    example: str = ""
    flags: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    link: str = ""
    cut: bool = False

    @property
    def groups(self) -> list[tuple[str, list[Node]]]:
        """Children by their heading: fields have none, choices stand under ``One of``."""
        by_name: dict[str, list[Node]] = {}
        for child in self.children:
            by_name.setdefault(child.group, []).append(child)
        return list(by_name.items())


@dataclass
class Room:
    """How many lines a page has left for its trees."""

    left: int


def tree(document: Document, schema: Any, room: Room | None = None, *, hide: str = "") -> Node:
    """``hide``: ``readOnly`` in what is sent, ``writeOnly`` in what is answered."""
    room = room or Room(MOST_NODES)
    root = node_of(document, "", schema)
    waiting: deque[tuple[Node, Any, tuple[int, ...]]] = deque([(root, schema, ())])
    while waiting:
        node, schema, path = waiting.popleft()
        inner, name = schemas.inside(document, schema)
        shown = [m for m in schemas.members(document, inner) if not hide or not follow(document, m.schema).get(hide)]
        if not shown:
            continue
        if id(inner) in path or len(path) >= DEEPEST or room.left <= 0:
            node.link, node.cut = name, True
            continue
        for member in shown[: max(1, room.left)]:
            child = node_of(document, member.name, member.schema, member.required, member.group)
            node.children.append(child)
            waiting.append((child, member.schema, (*path, id(inner))))
        if len(shown) > room.left:
            node.link, node.cut = name, True
        room.left -= len(node.children)
    return root


def node_of(document: Document, name: str, schema: Any, required: bool = False, group: str = "") -> Node:
    whole = follow(document, schema)
    beside = schema if isinstance(schema, dict) else {}  # OpenAPI 3.1 lets a description stand beside a reference
    plain = schemas.inside(document, schema)[0] if "items" in whole else whole
    return Node(
        name,
        schemas.kind_of(document, schema),
        required,
        group,
        str(beside.get("description") or whole.get("description") or whole.get("title") or ""),
        schemas.limits(whole),
        schemas.values(plain),
        _example(whole),
        [flag for key, flag in FLAGS if whole.get(key) is True],
    )


FLAGS = (("deprecated", "deprecated"), ("readOnly", "read only"), ("writeOnly", "write only"))


def _example(schema: Schema) -> str:
    value = schema.get("example")
    if value is None and isinstance(schema.get("examples"), list) and schema["examples"]:
        value = schema["examples"][0]
    return "" if value is None or isinstance(value, dict | list) else str(value)[:120]
