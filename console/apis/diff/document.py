"""Two documents side by side: what references name, and which parts are the same in both, found at the speed of C.

Most of a document is the same after an edit. A part that reads the same *is* the same unless something that it refers to, at
any distance, differs: so the components that differ are found first, then all that lead to them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from urllib.parse import unquote

import orjson

from ..openapi import resolve

REFERENCE = re.compile(rb'"\$ref":"((?:[^"\\]|\\.)*)"')
TEXTS = {"description", "example", "examples", "title", "externalDocs", "xml"}
ELSEWHERE = "elsewhere"  # stands for all that is not a component, such as #/paths/~1pets/get
ANYTHING = "anything"  # the text of a part could not be had


class Side:
    """One document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._named: dict[str, Any] = {}

    def named(self, reference: str) -> Any:
        """What a local reference names; None when it leads nowhere."""
        if reference not in self._named:
            self._named[reference] = resolve(self.document, reference)
        return self._named[reference]

    def follow(self, node: Any) -> dict[str, Any]:
        """The object itself, or what its ``$ref`` names."""
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            node = self.named(node["$ref"])
        return node if isinstance(node, dict) else {}

    def components(self) -> dict[str, Any]:
        """``schemas/Pet`` to what it is."""
        sections = objects(self.document.get("components"))
        return {f"{section}/{name}": part for section, parts in sections.items() for name, part in parts.items()}

    def section(self, name: str) -> dict[str, Any]:
        """``paths``, or ``components`` and so on: an object, whatever stands there."""
        return mapping(self.document.get(name))


class Pair:
    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.old, self.new = Side(old), Side(new)
        self.changed = _changed(self.old, self.new)

    def same(self, old: Any, new: Any) -> bool:
        """They read the same, and so does all they refer to. (What does not may still mean the same.)"""
        return bool(old == new) and not (self.changed and self.changed & _references(new))

    def same_schema(self, old: Any, new: Any) -> bool:
        """Whatever is written about it: in many revisions, that is all that changes."""
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            old, new = ({k: v for k, v in one.items() if k not in TEXTS} for one in (old, new))
        return self.same(old, new)

    def same_reference(self, old: str, new: str) -> bool:
        return old == new and not (self.changed and _component(new) in self.changed)


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> dict[str, dict[str, Any]]:
    """The members that are objects."""
    return {str(k): v for k, v in mapping(value).items() if isinstance(v, dict)}


def _changed(old: Side, new: Side) -> set[str]:
    before, after = old.components(), new.components()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if old.document != new.document:
        changed.add(ELSEWHERE)
    if not changed:
        return changed
    users = defaultdict(list)
    for name, part in after.items():
        for reference in _references(part) if name not in changed else ():
            users[reference].append(name)
    waiting = list(changed | {ANYTHING})
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in changed:
                changed.add(user)
                waiting.append(user)
    return changed | {ANYTHING}


def _references(part: Any) -> set[str]:
    try:
        text = orjson.dumps(part)
    except TypeError:  # nested too deep, or a number that is too long for JSON here
        return {ANYTHING}
    return {_component(_text(found)) for found in REFERENCE.findall(text)}


def _text(found: bytes) -> str:
    return str(orjson.loads(b'"' + found + b'"')) if b"\\" in found else found.decode()


def _component(reference: str) -> str:
    """``schemas/Pet`` of ``#/components/schemas/Pet/properties/name``."""
    parts = reference.split("/", 4)
    if parts[:2] != ["#", "components"] or len(parts) < 4:
        return ELSEWHERE
    return f"{parts[2]}/{unquote(parts[3]).replace('~1', '/').replace('~0', '~')}"
