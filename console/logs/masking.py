"""Secrets out of the bodies of calls: by the names of members, by the document's marks, and by their look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import orjson

from . import cut_json
from .scrub import GONE, NAME, scrub_text

MOST_LEVELS = 40
NAMERS = ("name", "key", "id", "field", "header")  # of a pair whose other half is one of these
VALUES = ("value", "values", "content")
_TAG = re.compile(r"<([\w.:-]+)((?:\s[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"([\w.:-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")
_LOOKS = re.compile(
    r"\ufeff?\s*(?:(?P<json>[\[{\"])|(?P<xml><)|(?P<form>[\w.%+*~\[\]-]+=[^\s&]*+(?:&[^\s=&]*(?:=[^\s&]*)?+)*+\s*\Z))"
)
_CUT_TAG = re.compile(r"<[^<>]*\Z")
_LINE = re.compile(r"^(data:\s*)?(?=[\[{])(.*)$", re.DOTALL)


def kind_of(text: str) -> str:
    """json, xml, form, or text of another kind, by its look."""
    found = _LOOKS.match(text)
    return (found.lastgroup if found else "") or "text"


@dataclass(frozen=True)
class Mask:
    """``names``: what counts as a secret besides the usual, in lower case."""

    names: frozenset[str]

    def hides(self, name: str) -> bool:
        return name.lower() in self.names or NAME.search(name) is not None

    def body(self, text: str, kind: str) -> str:
        """``kind``: what it is said to be. That is often wrong (curl calls all that it posts a form), so looks come first."""
        looks = kind_of(text)
        if "json" in (looks, kind):
            try:
                return orjson.dumps(self.value(cut_json.read(text))).decode()
            except (ValueError, TypeError, RecursionError):
                pass  # it is none, or has half of a surrogate pair
        if "xml" in (looks, kind):
            return self.xml(text)
        return self.form(text) if "form" in (looks, kind) and looks != "json" else self.lines(text)

    def value(self, said: Any, levels: int = MOST_LEVELS) -> Any:
        """A decoded body, the same but for its secrets."""
        if isinstance(said, str):
            return self._within(said, levels)
        if not isinstance(said, dict | list):
            return said
        if levels == 0:
            return "[deeper]"
        if isinstance(said, list):
            return [self.value(one, levels - 1) for one in said]
        return {self.text(name): self._member(name, one, said, levels) for name, one in said.items()}

    def _member(self, name: str, said: Any, around: dict[str, Any], levels: int) -> Any:
        if name.lower() in VALUES and any(self.hides(str(around.get(n, ""))) for n in NAMERS):
            return GONE
        if name.lower() == "key" and any(value in around for value in VALUES):
            return self.value(said, levels - 1)  # the name of a pair
        is_status = name == "code" and type(said) is int and 100 <= said < 600
        return GONE if self.hides(name) and not is_status else self.value(said, levels - 1)

    def _within(self, said: str, levels: int) -> str:
        """A text in a body may be JSON itself."""
        if levels and said.lstrip()[:1] in ("{", "["):
            try:
                return orjson.dumps(self.value(cut_json.read(said), levels - 1)).decode()
            except (ValueError, TypeError, RecursionError):
                pass
        return self.text(said)

    def form(self, text: str) -> str:
        return "&".join(map(self._pair, text.split("&")))

    def _pair(self, text: str) -> str:
        name, equals, value = text.partition("=")
        if not equals:
            return self.text(text)
        if self.hides(unquote_plus(name)):
            return f"{name}={GONE}"
        plain = unquote_plus(value)
        masked = self._within(plain, MOST_LEVELS)
        return text if masked == plain else f"{name}={quote_plus(masked, safe='[]')}"

    def xml(self, text: str) -> str:
        out, at = [], 0
        text = _CUT_TAG.sub("", text)
        while found := _TAG.search(text, at):
            out.append(text[at : found.start()])
            at = found.end()
            tag, hides = self._tag(found[1], found[2])
            out.append(tag)
            if hides and not found[2].endswith("/"):
                end = re.compile(rf"</{re.escape(found[1])}\s*>").search(text, at)
                out.append(GONE)
                at = end.start() if end else len(text)
        return self.text("".join(out) + text[at:])

    def _tag(self, name: str, attributes: str) -> tuple[str, bool]:
        """A tag as it may be kept, and whether what is in its element may not."""
        named = {key.lower(): value[1:-1] for key, _, value in _ATTRIBUTE.findall(attributes)}
        hides = self.hides(name.rpartition(":")[2]) or any(self.hides(named.get(key, "")) for key in NAMERS)
        return f"<{name}{_ATTRIBUTE.sub(lambda one: self._attribute(one, hides), attributes)}>", hides

    def _attribute(self, found: re.Match[str], hides: bool) -> str:
        name, between, value = found.groups()
        gone = self.hides(name.rpartition(":")[2]) or (hides and name.lower() not in NAMERS)
        return f'{name}{between}"{GONE}"' if gone else f"{name}{between}{value}"

    def lines(self, text: str) -> str:
        """Some of them may be JSON: of a log, or of an event stream."""
        return self.text("\n".join(map(self._line, text.split("\n"))))

    def _line(self, text: str) -> str:
        found = _LINE.match(text)
        if not found:
            return text
        try:
            return (found[1] or "") + orjson.dumps(self.value(cut_json.read(found[2]))).decode()
        except (ValueError, TypeError, RecursionError):
            return text

    def text(self, text: str) -> str:
        return scrub_text(text, self.names, len(text))
