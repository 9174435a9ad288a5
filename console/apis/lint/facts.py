"""What several rules ask about a document as a whole; each is found out once, when the first of them asks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar, cast

from ..openapi import METHODS, follow
from ..problems import walk
from ..tree import Path
from .places import objects

CASINGS = {
    "flat": re.compile(r"[a-z0-9]+"),
    "camel": re.compile(r"[a-z][a-zA-Z0-9]*"),
    "pascal": re.compile(r"[A-Z][a-zA-Z0-9]*"),
    "kebab": re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"),
    "snake": re.compile(r"[a-z0-9]+(_[a-z0-9]+)*"),
    "train": re.compile(r"[A-Z][a-zA-Z0-9]*(-[A-Z][a-zA-Z0-9]*)*"),
    "constant": re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*"),
}
T = TypeVar("T")
Operation = tuple[Path, dict[str, Any]]


class Facts:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._remembered: dict[str, Any] = {}

    def remember(self, name: str, make: Callable[[Facts], T]) -> T:
        """What several functions share, made when the first asks."""
        if name not in self._remembered:
            self._remembered[name] = make(self)
        return cast(T, self._remembered[name])

    @property
    def is_3_0(self) -> bool:
        return str(self.document.get("openapi")).startswith("3.0")

    def follow(self, node: Any) -> dict[str, Any]:
        return follow(self.document, node)

    def part(self, *keys: str) -> dict[str, Any]:
        """An object by its keys; empty when there is none."""
        here: Any = self.document
        for key in keys:
            here = here.get(key) if isinstance(here, dict) else None
        return here if isinstance(here, dict) else {}

    @cached_property
    def operations(self) -> list[Operation]:
        items = [(("paths", name), self.follow(item)) for name, item in self.part("paths").items()]
        return [((*at, m), item[m]) for at, item in items for m in METHODS if isinstance(item.get(m), dict)]

    @cached_property
    def tags(self) -> frozenset[str]:
        listed = self.document.get("tags")
        return frozenset(
            str(tag.get("name")) for tag in (listed if isinstance(listed, list) else []) if isinstance(tag, dict)
        )

    @cached_property
    def tags_in_use(self) -> frozenset[str]:
        listed = [o.get("tags") for _, o in self.operations]
        return frozenset(str(tag) for tags in listed if isinstance(tags, list) for tag in tags)

    @cached_property
    def unused(self) -> frozenset[Path]:
        """Components that nothing leads to from a path, a webhook or a requirement. Of a library of components, none is."""
        if not (self.part("paths") or self.part("webhooks")):
            return frozenset()
        leads = _references(self.document)
        reached, waiting = set[Path](), [*leads.pop((), []), *self._named()]
        while waiting:
            component = waiting.pop()
            if component not in reached:
                reached.add(component)
                waiting += leads.get(component, [])
        return frozenset(path for path in self._components() if path not in reached)

    def _components(self) -> Iterator[Path]:
        for kind, named in self.part("components").items():
            if isinstance(named, dict) and not kind.startswith("x-"):
                yield from (("components", kind, str(name)) for name in named)

    def _named(self) -> Iterator[Path]:
        """Security schemes are named by requirements, without a reference."""
        for requirements in [self.document.get("security"), *(o.get("security") for _, o in self.operations)]:
            for requirement in requirements if isinstance(requirements, list) else []:
                if isinstance(requirement, dict):
                    yield from (("components", "securitySchemes", name) for name in requirement)

    def casing(self, about: str) -> str:
        """How most names of these are written; empty when there are none."""
        return self._casings.get(about, "")

    @cached_property
    def _casings(self) -> dict[str, str]:
        counts = {about: Counter[str]() for about in ("operationId", "parameter", "property", "schema")}
        for kind, path, node in objects(self.document):
            if kind == "property":
                counts["property"][casing(str(path[-1]))] += 1
            elif kind == "parameter" and node.get("in") in ("query", "path"):
                counts["parameter"][casing(str(node.get("name")))] += 1
            elif kind == "operation" and isinstance(node.get("operationId"), str):
                counts["operationId"][casing(node["operationId"])] += 1
        for name in self.part("components", "schemas"):
            counts["schema"][casing(str(name))] += 1
        return {about: style for about, count in counts.items() if (style := _most(count))}


def _most(count: Counter[str]) -> str:
    del count["flat"], count[""]  # one word is in any style, and what is in none decides nothing
    return count.most_common(1)[0][0] if count else ""


def casing(name: str) -> str:
    """The style of a name, empty when it is in none."""
    return next((style for style, pattern in CASINGS.items() if pattern.fullmatch(name)), "")


def _references(document: dict[str, Any]) -> dict[Path, list[Path]]:
    """Component to the components that it refers to; ``()`` is all that is no component."""
    leads: dict[Path, list[Path]] = {(): _leads({k: v for k, v in document.items() if k != "components"})}
    components = document.get("components")
    for kind, named in components.items() if isinstance(components, dict) else ():
        for name, node in named.items() if isinstance(named, dict) else ():
            leads["components", kind, str(name)] = _leads(node)
    return leads


def _leads(node: Any) -> list[Path]:
    found = []
    for _, key, value in walk(node):
        if key == "$ref" and isinstance(value, str):
            found.append(_target(value))
        elif key == "mapping" and isinstance(value, dict):
            found += [_target(_schema_reference(str(v))) for v in value.values()]
    return found


def _schema_reference(name: str) -> str:
    return name if name.startswith("#") else f"#/components/schemas/{name}"


def _target(reference: str) -> Path:
    parts = reference.removeprefix("#/").split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts[:3])
