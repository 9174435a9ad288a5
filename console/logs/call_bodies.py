"""What is kept of the bodies of a call: text, as much of it as its API version says, and without its secrets."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from ..apis.operations import BodyRules
from . import cut_json
from .masking import Mask, kind_of
from .scrub import GONE, storable

FORM = "application/x-www-form-urlencoded"
_KIND = re.compile(
    r"(?P<json>.*[/+]json)|(?P<form>.*/x-www-form-urlencoded)|(?P<xml>(?:.*[/+]xml|text/html))|(?P<text>text/.*|.*[/-]ndjson|.*/graphql|.*/json-seq)"
)
_DATA = re.compile(r"data:([\w.+-]*/?[\w.+-]*)(?:;encoding=([\w.-]+))?(;base64)?,")  # as RFC 2397 writes it
NOTHING = (None, "", b"", "-")


@dataclass(frozen=True)
class Sent:
    """A body as a sender gave it. ``content``: a text, or what JSON it was. ``size``: of all of it, where that is known."""

    content: Any
    content_type: str = ""
    encoding: str = ""
    size: int = 0


class Body(NamedTuple):
    """``note``: what it is, and how much of it there is. ``text``: empty when it is not kept."""

    note: str = ""
    text: str = ""

    @property
    def readable(self) -> str:
        """JSON with its members below each other, also where it was cut."""
        if self.text[:1] not in ("{", "["):
            return self.text
        try:
            return orjson.dumps(cut_json.read(self.text), option=orjson.OPT_INDENT_2).decode()
        except (ValueError, TypeError):
            return self.text


class WithBodies(tuple[Any, ...]):
    """A row, with what is kept of its call's bodies beside it. Few calls have any; the rows of all others are plain."""

    request: Body
    response: Body

    @classmethod
    def of(cls, row: tuple[Any, ...], request: Body, response: Body) -> tuple[Any, ...]:
        if not (request.note or response.note):
            return row
        made = cls(row)
        made.request, made.response = request, response
        return made


def from_gateway(said: str, size: int) -> Sent | None:
    """Of a node of ours, which says the type, and the beginning in base64 where it is text."""
    found = _DATA.match(said)
    if found is None:
        return None
    content_type, encoding, coded = found.groups()
    content = None
    if coded:
        try:
            content = base64.b64decode(said[found.end() :]).decode(errors="replace").rstrip("\N{REPLACEMENT CHARACTER}")
        except (binascii.Error, ValueError):
            return None
    return Sent(content, content_type, encoding or "", size)


def kept(sent: Sent | None, rules: BodyRules, is_whole_sensitive: bool) -> Body:
    if sent is None or (sent.content in NOTHING and not sent.size):
        return Body()
    if sent.encoding.lower() not in ("", "identity"):
        return Body(f"{sent.encoding[:20]}, {_bytes(sent.size)}: not kept"[:200])
    kind = _kind(sent)
    if not kind:
        return Body(f"binary, {_bytes(sent.size)}, {sent.content_type or 'of no type'}"[:200])
    if sent.content in NOTHING:
        return Body(f"{sent.content_type}, {_bytes(sent.size)}: not kept"[:200])
    text = _text(sent.content)
    start = _cut(text, rules.most_bytes)
    masked = GONE if is_whole_sensitive else _cut(Mask(rules.sensitive.names).body(start, kind), rules.most_bytes)
    size = max(sent.size, _size(text))
    note = sent.content_type or {"form": FORM, "text": "text"}.get(kind, kind.upper())
    if size > _size(start):
        note += f", the first {_size(start):,} of {_bytes(size)}"
    return Body(note[:200], storable(masked))


def _kind(sent: Sent) -> str:
    """json, form, xml or text; nothing when it is none of these."""
    if sent.content_type:
        found = _KIND.fullmatch(sent.content_type.lower())
        return (found.lastgroup or "") if found else ""
    if sent.content in NOTHING:
        return ""
    return kind_of(sent.content) if isinstance(sent.content, str) else "json"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return orjson.dumps(content, default=str).decode()


def _cut(text: str, most_bytes: int) -> str:
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _bytes(size: int) -> str:
    return f"{size:,} bytes"


def media_type(value: Any) -> str:
    """Of a Content-Type, without its parameters."""
    value = value[0] if isinstance(value, list) and value else value
    said = value.partition(";")[0].strip().lower() if isinstance(value, str) else ""
    return re.sub(r"[^\w./+-]", "", said)[:100]
