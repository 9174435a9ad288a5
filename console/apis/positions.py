"""Where in the text of a document something stands, and what stands at a line. Lines and columns count from 1."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
import yaml

from .reader import DEEPEST, scalar
from .tree import Children, Fault, Path, Tree, grow

BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, order=True)
class Mark:
    line: int
    column: int  # in characters


@dataclass(frozen=True)
class Span:
    key: Mark | None  # None: an item of a list, or the document
    value: Mark
    end: Mark  # just after the last character

    @property
    def start(self) -> Mark:
        return self.key or self.value


class Positions:
    """Of a JSON or YAML text, broken ones included; the text is looked at when the first question comes."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def tree(self) -> Tree:
        return grow(self.text)

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line begins."""
        return [0, *(m.end() for m in BREAK.finditer(self.text))]

    @property
    def faults(self) -> list[Fault]:
        return self.tree.faults

    def mark(self, offset: int) -> Mark:
        line = bisect_right(self._lines, offset)
        return Mark(line, offset - self._lines[line - 1] + 1)

    def span(self, path: Path) -> Span | None:
        """None when there is no such path."""
        node, steps = self._follow(path)
        return self._span(node) if steps == len(path) and node >= 0 else None

    def nearest(self, path: Path) -> Span:
        """Of the path, or of the last part of it that exists."""
        node, _ = self._follow(path)
        return self._span(node) if node >= 0 else Span(None, Mark(1, 1), Mark(1, 1))

    def line(self, path: Path) -> int:
        return self.nearest(path).start.line

    def names(self, path: Path) -> list[str]:
        """The keys of an object in their order; of anything else, none."""
        node, steps = self._follow(path)
        inside = self.tree.inside.get(node) if steps == len(path) else None
        return list(inside) if isinstance(inside, dict) else []

    def count(self, path: Path) -> int:
        """How many items or keys there are."""
        node, steps = self._follow(path)
        return len(self.tree.inside.get(node, ())) if steps == len(path) else 0

    def scalar(self, path: Path) -> Any:
        """The text, number or truth at a path; None when there is none, or nothing that can be read."""
        node, steps = self._follow(path)
        if steps != len(path) or node < 0 or node in self.tree.inside:
            return None
        raw = self.text[self.tree.starts[node] : self.tree.ends[node]]
        try:
            return orjson.loads(raw) if raw.startswith('"') else _one(raw)
        except (ValueError, yaml.YAMLError):
            return None

    def path_at(self, line: int) -> Path:
        """What begins on this line, the outermost; on a line on which nothing does, the innermost that reaches it."""
        if not 1 <= line <= len(self._lines) or not self.tree.starts:
            return ()
        begin = self._lines[line - 1]
        end = self._lines[line] if line < len(self._lines) else len(self.text) + 1
        path: Path = ()
        node = 0
        while (inside := self.tree.inside.get(node)) is not None and len(path) < DEEPEST:
            keys: Sequence[str | int] = list(inside) if isinstance(inside, dict) else range(len(inside))
            at = self._first_after(inside, keys, begin)
            if at < len(keys) and self._starts(_child(inside, keys[at])) < end:
                return (*path, keys[at])
            if not at or self._ends(_child(inside, keys[at - 1])) < begin:
                break
            path, node = (*path, keys[at - 1]), _child(inside, keys[at - 1])
        return path

    def _first_after(self, inside: Children, keys: Sequence[str | int], offset: int) -> int:
        return bisect_left(keys, offset, key=lambda key: self._starts(_child(inside, key)))

    def _starts(self, node: int) -> int:
        return self.tree.keys[node] if self.tree.keys[node] >= 0 else self.tree.starts[node]

    def _ends(self, node: int) -> int:
        return max(self.tree.ends[node], self._starts(node))

    def _span(self, node: int) -> Span:
        start, end, key = self.tree.starts[node], self._ends(node), self.tree.keys[node]
        end -= len(self.text[start:end]) - len(
            self.text[start:end].rstrip()
        )  # libyaml ends a text block at the next line
        return Span(self.mark(key) if key >= 0 else None, self.mark(start), self.mark(max(end, start)))

    def _follow(self, path: Path) -> tuple[int, int]:
        """The node, and how many steps of the path it took; -1 in an empty text."""
        node = 0 if self.tree.starts else -1
        for step, key in enumerate(path):
            inside = self.tree.inside.get(node)
            child = _child(inside, key) if inside is not None else -1
            if child < 0:
                return node, step
            node = child
        return node, len(path)


def _child(inside: Children, key: str | int) -> int:
    if isinstance(inside, dict):
        return inside.get(str(key), -1)
    return inside[key] if isinstance(key, int) and 0 <= key < len(inside) else -1


def _one(raw: str) -> Any:
    for event in yaml.parse(raw, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event)
    return None


def path_at(text: str, line: int) -> Path:
    """What stands at a line; `Positions.path_at` for more than one question."""
    return Positions(text).path_at(line)
