"""What an editor shows beside a document: its parts, each with its line. It is made from positions alone, so that it is
there for a document that cannot be read, as far as it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .openapi import METHODS
from .positions import Positions
from .tree import Path

MOST = 5000  # of all entries
LONGEST = 120
COMPONENTS = (
    "schemas", "responses", "parameters", "requestBodies", "headers", "securitySchemes", "examples", "links",
    "callbacks", "pathItems",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """``kind``: info, servers, server, tags, tag, paths, path, operation, webhooks, components, component."""

    kind: str
    name: str
    detail: str
    path: Path
    line: int
    inside: list[Entry] = field(default_factory=list)


@dataclass
class Outline:
    entries: list[Entry]
    left_out: int  # what is there beyond the bound


def outline(positions: Positions) -> Outline:
    return _Outliner(positions).all()


class _Outliner:
    def __init__(self, positions: Positions) -> None:
        self.at, self.left, self.left_out = positions, MOST, 0

    def all(self) -> Outline:
        found = [self.info(), self.listed("servers", "url", "description"), self.listed("tags", "name", "description")]
        found += [self.paths("paths"), self.paths("webhooks"), *self.components()]
        known = [entry for entry in found if entry is not None]
        return Outline(sorted(known, key=lambda entry: entry.line), self.left_out)

    def has(self, path: Path) -> bool:
        return self.at.span(path) is not None

    def text(self, *path: str | int) -> str:
        value = self.at.scalar(path)
        return "" if value is None else " ".join(str(value).split())[:LONGEST]

    def entry(self, kind: str, name: str, detail: str, path: Path, inside: list[Entry] | None = None) -> Entry:
        return Entry(kind, name[:LONGEST], detail, path, self.at.line(path), inside or [])

    def some(self, names: list[str]) -> list[str]:
        """As many as there is room for."""
        names = [name for name in names if not name.startswith("x-")]
        taken = names[: max(0, self.left)]
        self.left -= len(taken)
        self.left_out += len(names) - len(taken)
        return taken

    def info(self) -> Entry | None:
        title, version = self.text("info", "title"), self.text("info", "version")
        return self.entry("info", title or "Info", version, ("info",)) if self.has(("info",)) else None

    def listed(self, key: str, name: str, detail: str) -> Entry | None:
        if not self.has((key,)):
            return None
        count = self.at.count((key,)) if not self.at.names((key,)) else 0
        items = [
            self.entry(key[:-1], self.text(key, i, name) or str(i + 1), self.text(key, i, detail), (key, i))
            for i in map(int, self.some([str(i) for i in range(count)]))
        ]
        return self.entry(key, key.title(), str(count), (key,), items)

    def paths(self, key: str) -> Entry | None:
        names = self.at.names((key,))
        if not names:
            return None
        inside = [self.entry("path", name, "", (key, name), self.operations((key, name))) for name in self.some(names)]
        return self.entry(key, key.title(), str(len(names)), (key,), inside)

    def operations(self, path: Path) -> list[Entry]:
        methods = [name for name in self.at.names(path) if name in METHODS]
        return [
            self.entry("operation", method.upper(), self.summary((*path, method)), (*path, method))
            for method in self.some(methods)
        ]

    def summary(self, path: Path) -> str:
        return self.text(*path, "summary") or self.text(*path, "operationId")

    def components(self) -> list[Entry]:
        return [entry for kind in COMPONENTS if (entry := self.component(kind))]

    def component(self, kind: str) -> Entry | None:
        path = ("components", kind)
        names = self.at.names(path)
        if not names:
            return None
        inside = [
            self.entry("component", name, self.text(*path, name, "type"), (*path, name)) for name in self.some(names)
        ]
        return self.entry("components", kind, str(len(names)), path, inside)
