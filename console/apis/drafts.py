"""A document while it is being edited: its text and what the text says, changed together, so that each checks the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import Refused
from . import openapi
from .editing import Source, same
from .marks import Key, Path
from .openapi import METHODS
from .problems import walk, where_of
from .spelling import SCHEMAS

# the order in which people write these; a new key stands behind the nearest of them that is there
ORDER = (
    "openapi", "info", "title", "version", "jsonSchemaDialect", "servers", "url", "tags", "operationId", "name",
    "in", "summary", "deprecated", "description", "required", "termsOfService", "contact", "license", "email",
    "security", "paths", "webhooks", "components", "parameters", "requestBody", "responses", "callbacks", "content",
    "type", "format", "items", "properties", "schema", "externalDocs",
)  # fmt: skip


class Draft:
    def __init__(self, text: str, data: dict[str, Any]) -> None:
        self.text, self.data = text, data

    def checked(self) -> dict[str, Any]:
        """The document that the text is now. `Refused` when that is not what was meant."""
        document = openapi.parse(self.text)
        if not same(document, self.data):
            raise Refused("That would change more of the text than was meant, so nothing was. Change it in the text.")
        return document

    # what stands at a path

    def get(self, path: Path, otherwise: Any = None) -> Any:
        here: Any = self.data
        for key in path:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                return otherwise
        return here

    def put(self, path: Path, value: Any) -> None:
        """What is to stand there, whether something does by now or not; an empty ``value`` is nothing."""
        depth = next((n for n in range(len(path)) if _lacks(self.get(path[:n]), path[n])), len(path))
        if depth == len(path):
            if value or value is False:
                self._write(self._source().change(path, value), _with(self.data, path, value))
            else:
                self.remove(path)
        elif value:
            key = path[depth]
            for inner in reversed(path[depth + 1 :]):
                value = {inner: value}
            text = self._source().add(path[:depth], str(key), value, after=preceding(self.get(path[:depth]) or {}, key))
            self._write(text, _with(self.data, path[: depth + 1], value))

    def remove(self, path: Path) -> None:
        self._write(self._source().remove(path), _without(self.data, path))

    def rename(self, path: Path, key: str) -> None:
        if path[-1] != key:
            self._write(self._source().rename(path, key), _renamed(self.data, path, key))

    # what an API designer does

    def set_operation(self, was: tuple[str, str] | None, method: str, path: str, wanted: dict[str, Any]) -> None:
        """``was``: the method and path that it had. A new operation has none."""
        if (method, path) != was and method in (self.get(("paths", path)) or {}):
            raise Refused(f"{method.upper()} {path} is described already.", "path")
        if was and was != (method, path):
            self._move_operation(was, method, path)
        self.put(("paths", path, method), wanted)

    def _move_operation(self, was: tuple[str, str], method: str, path: str) -> None:
        item = self.get(("paths", was[1])) or {}
        if path == was[1]:
            self.rename(("paths", path, was[0]), method)
        elif not [m for m in METHODS if m in item and m != was[0]] and path not in self.data["paths"]:
            self.rename(("paths", was[1]), path)
            self.rename(("paths", path, was[0]), method)
        else:
            self._refuse_comments(("paths", was[1], was[0]))
            self.remove(("paths", was[1], was[0]))

    def _refuse_comments(self, path: Path) -> None:
        source = self._source()
        node = source.find(path)
        if not source.json and re.search(r"^\s*#|\s#\s", self.text[node.start : node.end], re.MULTILINE):
            raise Refused(
                "There are comments in this operation, which would be lost on its way. Move it in the text.", "path"
            )

    def remove_operation(self, method: str, path: str) -> None:
        """With its path, when it was the last one there."""
        item = self.get(("paths", path)) or {}
        others = [m for m in METHODS if m in item and m != method]
        self.remove(("paths", path, method) if others else ("paths", path))

    def set_schema(self, was: str | None, name: str, wanted: dict[str, Any]) -> None:
        """A schema that gets another name takes all references with it."""
        path = ("components", "schemas")
        if name != was and name in (self.get(path) or {}):
            raise Refused(f"There is a schema named {name} already.", "name")
        if was and was != name:
            self.rename((*path, was), name)
            self.repoint(SCHEMAS + was, SCHEMAS + name)
            wanted = _repointed(wanted, SCHEMAS + was, SCHEMAS + name)
        if wanted != {} or self.get((*path, name)) is None:
            self.put((*path, name), wanted or {"type": "object"})

    def repoint(self, old: str, new: str) -> None:
        """Every ``$ref``, and every discriminator's mapping, that leads to ``old``."""
        found = [path for path, value in _texts(self.data, ()) if value == old and _refers(path)]
        self._write(self._source().repoint(dict.fromkeys(found, new)), _repointed(self.data, old, new))

    def rename_tag(self, old: str, new: str) -> None:
        """At the operations; the list of tags is a part of its own."""
        paths = self.get(("paths",)) or {}
        found = [
            ("paths", path, method, "tags", at)
            for path, item in paths.items()
            for method in METHODS
            for at, tag in enumerate((item.get(method) or {}).get("tags") or [])
            if tag == old
        ]
        data = self.data
        for place in found:
            data = _with(data, place, new)
        self._write(self._source().repoint(dict.fromkeys(found, new)), data)

    def remove_schema(self, name: str) -> None:
        uses = [where_of(path) for path, key, value in walk(self.data) if key == "$ref" and value == SCHEMAS + name]
        if uses:
            more = f" and {len(uses) - 3} more places" if len(uses) > 3 else ""
            raise Refused(f"{name} is used by {', '.join(uses[:3])}{more}. Take it out there first.")
        self.remove(("components", "schemas", name))

    def rename_properties(self, name: str, renamed: dict[str, str]) -> None:
        """Other names for properties of a schema, each in its place; what is required follows."""
        path = ("components", "schemas", name)
        for old, new in renamed.items():
            self.rename((*path, "properties", old), new)
            required = self.get((*path, "required")) or []
            if old in required:
                self.put((*path, "required"), [new if n == old else n for n in required])

    def _source(self) -> Source:
        return Source(self.text, self.data)

    def _write(self, text: str, data: dict[str, Any]) -> None:
        self.text, self.data = text, data


def preceding(there: Iterable[Any], key: Key) -> str | None:
    """Behind which key of an object a new one is best put; None: behind the last."""
    if key not in ORDER:
        return None
    before = [k for k in there if k in ORDER and ORDER.index(k) < ORDER.index(str(key))]
    return max(before, key=ORDER.index) if before else None


def placed(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """``wanted`` in the order of ``before``, each new key where people write it."""
    keys = [k for k in before if k in wanted]
    for key in (k for k in wanted if k not in before):
        behind = preceding(keys, key)
        keys.insert(keys.index(behind) + 1 if behind else len(keys), key)
    return {k: wanted[k] for k in keys}


def _lacks(here: Any, key: Key) -> bool:
    if isinstance(here, list):
        return not (isinstance(key, int) and key < len(here))
    return not isinstance(here, dict) or key not in here


def _changed(here: Any, path: Path, last: Callable[[Any, Key], Any]) -> Any:
    """A copy of what the path goes through; everything beside it is shared."""
    if len(path) == 1:
        return last(here, path[0])
    copied = list(here) if isinstance(here, list) else dict(here or {})
    copied[path[0]] = _changed(copied[path[0]], path[1:], last)  # type: ignore[index]
    return copied


def _with(data: Any, path: Path, value: Any) -> Any:
    def put(here: Any, key: Key) -> Any:
        copied = list(here) if isinstance(here, list) else dict(here or {})
        copied[key] = value  # type: ignore[index]
        return copied

    return _changed(data, path, put)


def _without(data: Any, path: Path) -> Any:
    def drop(here: Any, key: Key) -> Any:
        if isinstance(here, list):
            return [v for i, v in enumerate(here) if i != key]
        return {k: v for k, v in here.items() if k != key}

    return _changed(data, path, drop)


def _renamed(data: Any, path: Path, new: str) -> Any:
    return _changed(data, path, lambda here, key: {new if k == key else k: v for k, v in here.items()})


def _refers(path: Path) -> bool:
    return path[-1] == "$ref" or path[-3:-1] == ("discriminator", "mapping")


def _texts(here: Any, path: Path) -> Iterable[tuple[Path, str]]:
    if isinstance(here, str):
        yield path, here
    for key, value in here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ():
        yield from _texts(value, (*path, key))


def _repointed(here: Any, old: str, new: str, path: Path = ()) -> Any:
    if isinstance(here, dict):
        return {k: _repointed(v, old, new, (*path, k)) for k, v in here.items()}
    if isinstance(here, list):
        return [_repointed(v, old, new, (*path, i)) for i, v in enumerate(here)]
    return new if here == old and _refers(path) else here
