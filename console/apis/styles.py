"""What the text of a document is like, so that what is added looks as if its author had written it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .marks import Lines, Node
from .writing import Style

LOOKED_AT = 3000  # parts of a document; its first thousand lines show how it is written


def style_of(root: Node, lines: Lines, *, json: bool) -> Style:
    text = lines.text
    newline = "\r\n" if "\r\n" in text else "\n"
    nodes = list(_first(root, LOOKED_AT))
    if json:
        return _json_style(root, text, newline)
    steps = [d for n in nodes for d in _steps(n, lines, "map") if d > 0]
    dashes = [d for n in nodes for d in _steps(n, lines, "seq")]
    quotes = [n.style for n in nodes if n.style in ("'", '"')]
    quote = '"' if quotes.count('"') > quotes.count("'") else "'"
    return Style(newline=newline, step=" " * _most(steps, 2), dash=" " * _most(dashes, 2), quote=quote)


def _json_style(root: Node, text: str, newline: str) -> Style:
    children = list(root.keys.values()) or list(root.inside.values())
    if not children:
        return Style(json=True, newline=newline, colon=": ")
    before = re.search(r"[\r\n]([ \t]*)$", text[root.start : children[0].start])
    colon = ": " if not root.keys or re.match(r"\s*:\s", text[children[0].end :]) else ":"
    gap = text[next(iter(root.inside.values())).end : children[1].start] if len(children) > 1 else ", "
    return Style(
        json=True, newline=newline, step=before[1] if before else "", comma=", " if " " in gap else ",", colon=colon
    )


def _first(root: Node, most: int) -> Iterator[Node]:
    waiting = [root]
    while waiting and most > 0:
        most -= 1
        node = waiting.pop(0)
        yield node
        waiting.extend(node.inside.values())


def _steps(node: Node, lines: Lines, kind: str) -> Iterator[int]:
    """How much further than its key each block part of an object is indented."""
    if not node.is_block:
        return
    for key, child in node.inside.items():
        if isinstance(key, str) and child.kind == kind and child.is_block and child.inside:
            yield lines.column(child.start) - lines.column(node.keys[key].start)


def _most(found: list[int], usual: int) -> int:
    return max(set(found), key=found.count) if found else usual
