"""Edits of a document's text. What is not meant stays as it was written: comments, order, quotes, indentation.

Nothing is ever read and written anew. The marks of the parser say where a part stands, and only that is replaced, in
the style of what is around it. Each verb returns the new text; whatever cannot be done safely is `Refused` with its line.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NoReturn

from ..errors import Refused
from . import block_edits, flow_edits, writing
from .marks import Lines, Node, Path, is_json, tree
from .reader import read, read_yaml
from .styles import style_of
from .writing import Style

Step = tuple[str, Path, Any]  # a verb, where, and with what


class Source:
    """The text of one document, or of a part of one. ``data`` is what it says, where that is known already."""

    def __init__(self, text: str, data: Any = None, *, style: Style | None = None, aliased: bool = False) -> None:
        self.text = text
        self.json = style.json if style else is_json(text)
        self.root = tree(text, json=self.json)
        self.lines = Lines(text)
        self.style = style or style_of(self.root, self.lines, json=self.json)
        self.aliased = aliased or self.root.aliased
        self._data = data

    @cached_property
    def data(self) -> Any:
        return read(self.text) if self._data is None else self._data

    def set(self, path: Path, value: Any) -> str:
        """Another value for something that is there."""
        parent = self.find(path[:-1])
        self._refuse_shared(self.find(path))
        if not path:
            self.refuse(parent)
        replace = flow_edits.replace if parent.flow else block_edits.replace
        return replace(self, parent, path[-1], value)

    def add(self, path: Path, key: str, value: Any, *, after: str | None = None) -> str:
        """A new key of the object at ``path``: behind the key ``after``, else as the last one."""
        node = self.find(path)
        if key in node.inside:
            raise Refused(f"{key} is there already (line {self.lines.of(node.keys[key].start) + 1}).")
        if not node.inside:
            return self._fill(path, node, {key: value})
        if node.kind != "map":
            self.refuse(node)
        behind = after if after in node.keys else list(node.keys)[-1]
        insert = flow_edits.insert if node.flow else block_edits.insert
        return insert(self, node, behind or "", (key, value))

    def append(self, path: Path, value: Any, *, at: int | None = None) -> str:
        """A new item of the list at ``path``: as the last one, or before the one that is ``at`` that place."""
        node = self.find(path)
        if not node.inside:
            return self._fill(path, node, [value])
        if node.kind != "seq":
            self.refuse(node)
        insert = flow_edits.insert if node.flow else block_edits.insert
        return insert(self, node, len(node.inside) - 1 if at is None else at - 1, (None, value))

    def rename(self, path: Path, key: str) -> str:
        """Another key for the same value."""
        parent = self.find(path[:-1])
        self.find(path)
        if key in parent.inside:
            raise Refused(f"{key} is there already (line {self.lines.of(parent.keys[key].start) + 1}).")
        old = parent.keys[str(path[-1])]
        flow = parent.flow or self.json
        return self.splice(old.start, old.end, writing.text(key, self.style, flow=flow, old=old.style))

    def remove(self, path: Path) -> str:
        """Without this; the comments above it stay."""
        parent, node = self.find(path[:-1]), self.find(path)
        self._refuse_shared(node)
        if len(parent.inside) == 1:
            return self.set(path[:-1], {} if parent.kind == "map" else [])
        remove = flow_edits.remove if parent.flow else block_edits.remove
        return remove(self, parent, path[-1])

    def change(self, path: Path, wanted: Any) -> str:
        """Whatever it takes until the part at ``path`` says what is wanted; only what differs is touched."""
        node, before = self.find(path), self.value(path)
        steps = list(_steps(before, wanted, ()))
        if any(not where and verb == "set" for verb, where, _ in steps):
            return self.set(path, wanted)
        start, end, lead = self._slice(node)
        part = Source(lead + self.text[start:end], before, style=self.style, aliased=self.aliased)
        for step in steps:
            part = Source(part.take(step), style=self.style, aliased=self.aliased)
        says = read if self.json else read_yaml
        if not part.root.aliased and not same(says(part.text), wanted):
            self.refuse(node)
        return self.splice(start, end, part.text[len(lead) :])

    def take(self, step: Step) -> str:
        verb, where, value = step
        if verb == "add":
            key, inner, after = value
            return self.add(where, key, inner, after=after)
        if verb == "insert":
            at, inner = value
            return self.append(where, inner, at=at)
        return self.remove(where) if verb == "remove" else self.set(where, value)

    def repoint(self, texts: dict[Path, str]) -> str:
        """Other texts in many places at once, such as every reference to a schema that has got another name."""
        out = self.text
        places = [(self.find(path), self.find(path[:-1]).flow, new) for path, new in texts.items()]
        for node, flow, new in sorted(places, key=lambda place: -place[0].start):
            if node.kind != "scalar" or node.named or node.style in ("|", ">") or node.is_empty:
                self.refuse(node)
            out = out[: node.start] + writing.text(new, self.style, flow=flow, old=node.style) + out[node.end :]
        return out

    def find(self, path: Path) -> Node:
        """What stands at ``path``. `Refused` where there is nothing, or where it stands for several places."""
        node = self.root
        for key in path:
            if key not in node.inside:
                if node.kind == "alias":
                    self.refuse(node)
                raise Refused(f"There is no {key} in the text any more (line {self.lines.of(node.start) + 1}).")
            if node.named and self.aliased:
                self.refuse(node)
            node = node.inside[key]
        return node

    def value(self, path: Path) -> Any:
        here = self.data
        for key in path:
            here = here[key]
        return here

    def line(self, path: Path) -> int:
        """From 1: where ``path`` begins, or the part of it that is there."""
        node, at = self.root, self.root.start
        for key in path:
            if key not in node.inside:
                break
            at = node.keys[key].start if isinstance(key, str) else node.inside[key].start
            node = node.inside[key]
        return self.lines.of(at) + 1

    def splice(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    def refuse(self, node: Node) -> NoReturn:
        raise Refused(
            f"What stands at line {self.lines.of(node.start) + 1} is written in a way that cannot be changed from here "
            "without touching more. Change it in the text."
        )

    def _refuse_shared(self, node: Node) -> None:
        if node.anchored and self.aliased:
            self.refuse(node)

    def _fill(self, path: Path, node: Node, value: Any) -> str:
        if node.kind == "alias" or node.named:
            self.refuse(node)
        return self.set(path, value) if path else self.splice(node.start, node.end, flow_edits.whole(self, value))

    def _slice(self, node: Node) -> tuple[int, int, str]:
        """Where the lines of a part begin and end, and what stands in front of it to make it a document of its own."""
        line = self.lines.start(node.start)
        if node.is_block:
            return node.start, self.lines.after(node.end), " " * (node.start - line)
        before = self.text[line : node.start]
        return node.start, node.end, before[: len(before) - len(before.lstrip())]


def _steps(before: Any, wanted: Any, path: Path) -> Iterator[Step]:
    if same(before, wanted):
        return
    if isinstance(before, dict) and isinstance(wanted, dict) and before.keys() & wanted.keys():
        yield from _object_steps(before, wanted, path)
    elif isinstance(before, list) and isinstance(wanted, list) and before and wanted:
        yield from _list_steps(before, wanted, path)
    else:
        yield "set", path, wanted


def _object_steps(before: dict[str, Any], wanted: dict[str, Any], path: Path) -> Iterator[Step]:
    last = None
    for key, value in wanted.items():
        if key in before:
            yield from _steps(before[key], value, (*path, key))
        else:
            yield "add", path, (key, value, last)
        last = key
    for key in before.keys() - wanted.keys():
        yield "remove", (*path, key), None


def _list_steps(before: list[Any], wanted: list[Any], path: Path) -> Iterator[Step]:
    """From the last to the first, so that the places of those before stay the same."""
    a, b = ([json.dumps(v, sort_keys=True, default=str) for v in values] for values in (before, wanted))
    for kind, i, i_end, j, j_end in reversed(difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()):
        if kind == "equal":
            continue
        both = min(i_end - i, j_end - j)
        for value in reversed(wanted[j + both : j_end]):
            yield "insert", path, (i + both, value)
        for at in reversed(range(i + both, i_end)):
            yield "remove", (*path, at), None
        for k in reversed(range(both)):
            yield from _steps(before[i + k], wanted[j + k], (*path, i + k))


def same(a: Any, b: Any) -> bool:
    """Equal and of one kind: 1, 1.0 and true are three values in a document."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)
