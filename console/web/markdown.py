"""Descriptions that others wrote in CommonMark, as HTML that holds to our policy: no HTML of theirs, no images, no scheme
but http, https and mailto, no heading that the page's own would clash with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from flask import Flask
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 20_000  # characters; what comes after is not shown
GOOD_LINK = re.compile(r"(https?://|mailto:)[^\s]", re.IGNORECASE)
MARKED = re.compile(r"[\\`*_<>\[\]&#~|\n+=]|^\s*(\d+[.)]|-)\s|  ")
LINK = {"rel": "noopener noreferrer nofollow", "class": "link"}


def install(app: Flask) -> None:
    app.add_template_filter(markdown)


@lru_cache(maxsize=4096)
def markdown(text: str) -> Markup:
    """Blocks (paragraphs, lists, tables, code) of at most `LONGEST` characters of it."""
    text = text.strip()
    if not MARKED.search(text):  # most notes on properties; a hundred times as fast
        return Markup("<p>{}</p>").format(text[:LONGEST]) if text else Markup("")
    return Markup(_reader().render(text[:LONGEST]))  # noqa: S704 - html is off, and links are checked


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.validateLink = lambda url: bool(GOOD_LINK.match(url))  # type: ignore[method-assign]
    for name, rule in RULES.items():
        reader.add_render_rule(name, rule)
    return reader


def _link(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    for name, value in LINK.items():
        tokens[i].attrSet(name, value)
    return self.renderToken(tokens, i, options, env)


def _image(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    """Images of other hosts are not loaded: a link to it instead."""
    source, words = str(tokens[i].attrGet("src") or ""), tokens[i].content or "Image"
    link = Markup('<a href="{}" rel="{rel}" class="{class}">{}</a>').format(source, words, **LINK)
    return str(link) if source else str(escape(words))


def _code(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    return str(Markup('<pre class="codebox" tabindex="0">{}</pre>\n').format(tokens[i].content))


def _always(text: str) -> Any:
    return lambda self, tokens, i, options, env: text


RULES = {
    "link_open": _link,
    "image": _image,
    "fence": _code,
    "code_block": _code,
    "heading_open": _always('<p class="md-h">'),
    "heading_close": _always("</p>\n"),
    "table_open": _always('<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="tb">'),
    "table_close": _always("</table></div>\n"),
}
