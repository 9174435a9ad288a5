"""What a document marks ``x-sensitive: true``: of that, nothing is kept in clear.

A property counts by its name wherever in the document it is marked, so that one mark is enough; and it counts as marked
when its schema, what that refers to, or what it is made of is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .openapi import Operation, follow, operations, parameters
from .problems import walk

MARK = "x-sensitive"
GONE = "[scrubbed]"
PARAMETER = re.compile(r"\{([^{}]*)\}")
MADE_OF = ("schema", "content", "items", "additionalProperties", "allOf", "anyOf", "oneOf")
MOST_PARTS = 200  # of one schema; references may go round in circles
Whole = tuple[str, str, str]  # method, template, and `request` or `response`


@dataclass(frozen=True)
class Sensitive:
    names: frozenset[str] = frozenset()  # of properties; in lower case, as all names here but those in a path
    parameters: frozenset[str] = frozenset()  # of the query, of headers and cookies
    whole: frozenset[Whole] = frozenset()  # bodies of which everything is
    paths: dict[str, frozenset[str]] = field(default_factory=dict)  # template to the parameters in it

    @classmethod
    def of(cls, document: dict[str, Any]) -> Sensitive:
        if not any(key == MARK for _, key, _ in walk(document)):
            return cls()
        marked = [(o, p) for o in operations(document) for p in parameters(document, o) if _is_marked(document, p)]
        paths: dict[str, frozenset[str]] = {}
        for operation, parameter in marked:
            if parameter.get("in") == "path":
                paths[operation.path] = paths.get(operation.path, frozenset()) | {str(parameter.get("name"))}
        return cls(
            frozenset(_properties(document)),
            frozenset(str(p.get("name")).lower() for _, p in marked if p.get("in") != "path"),
            frozenset(whole for o in operations(document) for whole in _whole(document, o)),
            paths,
        )

    def path(self, path: str, template: str) -> str:
        """The path of a call without what is marked in it. ``template``: that of its operation, if it has one."""
        parts = path.strip("/").split("/")
        if template:
            return _without(parts, template, self.paths.get(template)) or path
        for known, names in self.paths.items():  # what is not described, as far as it goes along with what is
            if _goes_along(parts, known, names):
                return _without(parts, known, names)
        return path


def _is_marked(document: dict[str, Any], node: Any) -> bool:
    """A schema, or a parameter or body with one."""
    waiting, seen = [node], set[int]()
    while waiting and len(seen) < MOST_PARTS:
        here = follow(document, waiting.pop())
        if here.get(MARK) is True:
            return True
        if id(here) not in seen:
            seen.add(id(here))
            waiting += [part for name in MADE_OF for part in _parts(name, here.get(name))]
    return False


def _parts(name: str, value: Any) -> list[Any]:
    if name == "content":
        return list(value.values()) if isinstance(value, dict) else []
    return value if isinstance(value, list) else [value]


def _properties(document: dict[str, Any]) -> Iterator[str]:
    for _, key, value in walk(document):
        if key == "properties" and isinstance(value, dict):
            yield from (str(name).lower() for name, schema in value.items() if _is_marked(document, schema))


def _whole(document: dict[str, Any], operation: Operation) -> Iterator[Whole]:
    responses = operation.body.get("responses")
    answers = list(responses.values()) if isinstance(responses, dict) else []
    for side, bodies in (("request", [operation.body.get("requestBody")]), ("response", answers)):
        if any(_is_marked(document, body) for body in bodies):
            yield operation.method.upper(), operation.path, side


def _without(parts: list[str], template: str, names: frozenset[str] | None) -> str:
    """Empty when nothing of it is marked."""
    if not names:
        return ""
    for i, part in enumerate(template.strip("/").split("/")[: len(parts)]):
        if names & set(PARAMETER.findall(part)):
            parts[i] = PARAMETER.sub(GONE, part)
    return "/" + "/".join(parts)


def _goes_along(parts: list[str], template: str, names: frozenset[str]) -> bool:
    """Up to the first parameter that is marked, at least."""
    for part, known in zip(parts, template.strip("/").split("/"), strict=False):
        if names & set(PARAMETER.findall(known)):
            return True
        if "{" not in known and known.lower() != part.lower():
            return False
    return False


def plain(path: str) -> str:
    """A path as a backend may read it, however it was written."""
    parts: list[str] = []
    for part in re.split(r"[/\\]+", unquote(path)):
        name = part.partition(";")[0]
        if name == "..":
            del parts[-1:]
        elif name not in ("", "."):
            parts.append(name)
    return "/" + "/".join(parts)
