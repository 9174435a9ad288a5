"""Edits of YAML collections that are written on lines of their own. ``parent`` is always such a one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import writing
from .marks import Key, Node
from .writing import Written

if TYPE_CHECKING:
    from .editing import Source

COLON = re.compile(r"[ \t]*:")
Member = tuple[str | None, Any]  # of a list the key is None


def replace(source: Source, parent: Node, key: Key, value: Any) -> str:
    old, gate = parent.inside[key], _gate(source, parent, key)
    lines, text = source.lines, source.text
    written = _written(source, parent, value, old)
    if old.is_empty:
        return _write(source, gate, gate, written)
    if lines.of(old.start) == lines.of(gate):
        start = old.start if written.head else gate
        return _write(source, start, old.end, written, lead=not written.head)
    if old.is_block and not written.head:
        body = writing.block(value, source.style, " " * lines.column(old.start))
        return source.splice(lines.start(old.start), lines.end(old.end), body)
    above, below = text[: lines.start(old.start)], text[lines.after(old.end) :]
    if not below and not text.endswith(("\n", "\r")):
        above = above.rstrip("\r\n")
    return _write(source, gate, gate, written, text=above + below)


def _written(source: Source, parent: Node, value: Any, old: Node) -> Written:
    indent = " " * _column(source, parent)
    if old.flow and old.inside and isinstance(value, dict | list):
        return Written(writing.in_flow(value, source.style, indent))
    if parent.kind == "map" or not isinstance(value, dict | list) or not value:
        return writing.in_block(value, source.style, indent, old.style)
    inner = " " * source.lines.column(old.start) if old.is_block else indent + "  "
    first, _, rest = writing.block(value, source.style, inner).partition(source.style.newline)
    return Written(first.removeprefix(inner), rest)


def _write(source: Source, start: int, end: int, written: Written, *, lead: bool = True, text: str = "") -> str:
    """``head`` in the place, ``body`` below its line: a comment behind it stays behind it."""
    text = text or source.text
    line_end = re.compile(r"[^\r\n]*").match(text, end)
    stop = line_end.end() if line_end else end
    head = f" {written.head}" if lead and written.head else written.head
    rest = text[end:stop]
    first = text[:start] + head + (rest if rest.strip() else "")
    return first + (source.style.newline + written.body if written.body else "") + text[stop:]


def insert(source: Source, parent: Node, behind: Key, member: Member) -> str:
    """A key or an item behind another one; behind -1 is before the first item."""
    indent = " " * _column(source, parent)
    key, value = member
    style, newline = source.style, source.style.newline
    new = writing.item(value, style, indent) if key is None else writing.pair(key, value, style, indent)
    if behind == -1:
        at = _begin(source, parent, 0)
        return source.splice(at, at, new + newline + indent)
    at = source.lines.end(_end(source, parent, behind))
    return source.splice(at, at, newline + indent + new)


def remove(source: Source, parent: Node, key: Key) -> str:
    """One of several."""
    lines, text = source.lines, source.text
    begin, end = _begin(source, parent, key), _end(source, parent, key)
    line = lines.start(begin)
    if not text[line:begin].strip():
        after = lines.after(end)
        if after == len(text) and not text.endswith(("\n", "\r")):
            return text[:line].rstrip("\r\n")
        return source.splice(line, after, "")
    keys = list(parent.inside)
    following = _begin(source, parent, keys[keys.index(key) + 1])
    if text[end:following].strip():  # a comment stands between: the dash keeps its line
        return text[:begin].rstrip(" ") + text[lines.end(end) :]
    return source.splice(begin, following, "")


def _column(source: Source, parent: Node) -> int:
    return source.lines.column(_begin(source, parent, next(iter(parent.inside))))


def _begin(source: Source, parent: Node, key: Key) -> int:
    """Where the key, or the dash, stands."""
    if isinstance(key, str):
        begin = parent.keys[key].start
        if source.text[source.lines.start(begin) : begin].strip(" ").startswith("?"):
            source.refuse(parent)
        return begin
    lines, column = source.lines, source.lines.column(parent.start) if not parent.named else -1
    if source.text[parent.start : parent.start + 1] != "-":
        source.refuse(parent)  # a tag or a name stands in front of the list
    line = lines.of(parent.inside[key].start)
    while line >= 0 and source.text[lines.starts[line] + column : lines.starts[line] + column + 1] != "-":
        line -= 1
    return lines.starts[line] + column


def _gate(source: Source, parent: Node, key: Key) -> int:
    """Behind the colon, or the dash."""
    if not isinstance(key, str):
        return _begin(source, parent, key) + 1
    _begin(source, parent, key)
    colon = COLON.match(source.text, parent.keys[key].end)
    if colon is None:
        source.refuse(parent)
    return colon.end()


def _end(source: Source, parent: Node, key: Key) -> int:
    child = parent.inside[key]
    return max(child.end, _gate(source, parent, key)) if child.is_empty else child.end
