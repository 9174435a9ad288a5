"""Where each part of a document stands in its text: a tree of libyaml's event marks, for YAML and for JSON."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from ..errors import Refused
from .reader import DEEPEST

Key = str | int
Path = tuple[Key, ...]
# what JSON allows and libyaml refuses; blanks of the same width stand in, so that every mark stays where it is
NOT_YAML = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}|[\t\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(slots=True)
class Node:
    """One value. ``start`` and ``end`` count characters; ``end`` is behind its last one, before the line's end."""

    kind: str  # map, seq, scalar, alias
    start: int
    end: int
    style: str = ""  # of a scalar: plain is "", else one of ' " | >
    flow: bool = False
    named: bool = False  # has an anchor, so that aliases may stand for it
    anchored: bool = False  # it, or something in it, is named
    aliased: bool = False  # it, or something in it, is an alias
    keys: dict[str, Node] = field(default_factory=dict)
    inside: dict[Key, Node] = field(default_factory=dict)

    @property
    def is_block(self) -> bool:
        """A collection written on lines of its own."""
        return self.kind in ("map", "seq") and not self.flow

    @property
    def is_empty(self) -> bool:
        """Nothing is written at all, which is null."""
        return self.kind == "scalar" and self.start == self.end


def is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def tree(text: str, *, json: bool) -> Node:
    """The marks of everything. `Refused` for what is no document."""
    offset = 1 if text.startswith("\ufeff") else 0
    told = NOT_YAML.sub(lambda found: " " * len(found[0]), text) if json else text[offset:]
    try:
        return _Builder(text, yaml.parse(told, Loader=yaml.CSafeLoader), offset).document()
    except yaml.MarkedYAMLError as problem:
        where = f" at line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise Refused(f"This is not valid YAML{where}: {problem.problem}.") from None
    except (yaml.YAMLError, StopIteration):
        raise Refused("This text cannot be read as YAML or JSON.") from None


class _Builder:
    def __init__(self, text: str, events: Iterator[Any], offset: int) -> None:
        self.text, self.events, self.offset = text, events, offset

    def document(self) -> Node:
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise Refused("The document is empty.")
        return self.node(next(self.events), 0)

    def node(self, event: Any, depth: int) -> Node:
        start, end = event.start_mark.index + self.offset, event.end_mark.index + self.offset
        if depth > DEEPEST:
            raise Refused(f"The document is nested deeper than {DEEPEST} levels.")
        if isinstance(event, yaml.AliasEvent):
            return Node("alias", start, end, aliased=True)
        named = bool(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            style = event.style or ""
            return Node("scalar", start, self.scalar_end(start, end, style), style, named=named, anchored=named)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        node = Node(kind, start, end, flow=bool(event.flow_style), named=named, anchored=named)
        last = self.members(node, depth)
        # a block part's own end mark lies behind the comments that follow it
        node.end = last.end_mark.index + self.offset if node.flow else max([end, *_ends(node)])
        return node

    def members(self, node: Node, depth: int) -> Any:
        while not isinstance(event := next(self.events), yaml.MappingEndEvent | yaml.SequenceEndEvent):
            key: Key = len(node.inside)
            if node.kind == "map":
                written = self.node(event, depth + 1)
                key = self.key(event, written)
                node.keys[key] = written
                event = next(self.events)
            node.inside[key] = child = self.node(event, depth + 1)
            node.anchored = node.anchored or child.anchored
            node.aliased = node.aliased or child.aliased
        return event

    def key(self, event: Any, written: Node) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise Refused(f"The key at line {event.start_mark.line + 1} is not a plain word.")
        given = self.text[written.start : written.end]
        return str(
            orjson.loads(given) if "\\u" in given and written.style == '"' and " " in event.value else event.value
        )

    def scalar_end(self, start: int, end: int, style: str) -> int:
        """Of a literal or folded text: behind its last line, where libyaml counts the blank lines after it, too."""
        if style not in ("|", ">"):
            return end
        written = self.text[start:end]
        header = written.split("\n", 1)[0].split("#")[0]
        if "+" in header:  # the blank lines belong to it
            return start + len(written.removesuffix("\n").removesuffix("\r"))
        kept = written.rstrip()
        line_end = re.compile(r"[^\r\n]*").match(written, len(kept))
        return start + (line_end.end() if line_end else len(kept))


def _ends(node: Node) -> Iterator[int]:
    for key, child in list(node.inside.items())[-1:]:
        yield child.end
        if isinstance(key, str):
            yield node.keys[key].end + 1  # the colon of a value that is not there


class Lines:
    """Characters to lines and back, both from 0."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(m.end() for m in re.finditer(r"\r\n?|\n", text))]

    def of(self, index: int) -> int:
        return bisect_right(self.starts, index) - 1

    def start(self, index: int) -> int:
        """Of the line that holds this character."""
        return self.starts[self.of(index)]

    def end(self, index: int) -> int:
        """Of the same line, before its line break."""
        found = re.compile(r"[^\r\n]*").match(self.text, index)
        return found.end() if found else index

    def after(self, index: int) -> int:
        """Where the next line begins."""
        line = self.of(index) + 1
        return self.starts[line] if line < len(self.starts) else len(self.text)

    def column(self, index: int) -> int:
        return index - self.start(index)
