"""Edits within braces and brackets: all of JSON, and YAML's flow style. ``parent`` is always such a one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import writing
from .marks import Key, Node

if TYPE_CHECKING:
    from .editing import Source

Member = tuple[str | None, Any]  # of a list the key is None


def replace(source: Source, parent: Node, key: Key, value: Any) -> str:
    old = parent.inside[key]
    if old.is_empty:
        source.refuse(parent)
    one_line = bool(old.inside) and not _is_spread(source, old)
    spread = not one_line and (_is_spread(source, old) or _is_spread(source, parent))
    if isinstance(value, str) and not source.json and old.kind == "scalar":
        return source.splice(old.start, old.end, writing.text(value, source.style, flow=True, old=old.style))
    new = writing.in_flow(value, source.style, _indent(source, old), spread=spread)
    return source.splice(old.start, old.end, new)


def insert(source: Source, parent: Node, behind: Key, member: Member) -> str:
    """A key or an item behind another one; behind -1 is before the first item."""
    first = _begin(parent, next(iter(parent.inside)))
    spread = _is_spread(source, parent)
    indent = _indent(source, parent, at=first)
    key, value = member
    new = writing.in_flow(value, source.style, indent, spread=spread)
    if key is not None:
        new = writing.text(key, source.style, flow=True) + (source.style.colon if source.json else ": ") + new
    comma = source.style.comma if source.json else ", "
    gap = "," + source.style.newline + indent if spread else comma
    if behind == -1:
        return source.splice(first, first, new + gap)
    end = parent.inside[behind].end
    return source.splice(end, end, gap + new)


def remove(source: Source, parent: Node, key: Key) -> str:
    """One of several, with one of the commas."""
    keys = list(parent.inside)
    at = keys.index(key)
    begin, end = _begin(parent, key), parent.inside[key].end
    if at + 1 < len(keys):
        gap = (end, _begin(parent, keys[at + 1]))
        begin, end = begin, gap[1]
    else:
        gap = (parent.inside[keys[at - 1]].end, begin)
        begin = gap[0]
    if "#" in source.text[gap[0] : gap[1]]:
        source.refuse(parent)  # a comment that belongs to one of both
    return source.splice(begin, end, "")


def whole(source: Source, value: Any) -> str:
    """In the place of an empty document."""
    style = source.style
    return (
        writing.in_flow(value, style, "", spread=bool(style.step)) if source.json else writing.block(value, style, "")
    )


def _begin(parent: Node, key: Key) -> int:
    return parent.keys[key].start if isinstance(key, str) else parent.inside[key].start


def _is_spread(source: Source, node: Node) -> bool:
    """Each of its members begins a line."""
    if not node.inside:
        return False
    first = _begin(node, next(iter(node.inside)))
    return "\n" in source.text[node.start : first]


def _indent(source: Source, node: Node, at: int = -1) -> str:
    line = source.lines.start(node.start if at < 0 else at)
    found = re.compile(r"[ \t]*").match(source.text, line)
    return found[0] if found else ""
