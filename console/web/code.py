"""JSON in colours, made by the server: classes only, no style of its own."""

from __future__ import annotations

import re

from flask import Flask
from markupsafe import Markup, escape

PART = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\b\d[\d.eE+-]*\b|\b(?:true|false|null)\b)')
LONGEST = 40_000  # characters; longer ones stay plain, because the spans would weigh more than the text


def install(app: Flask) -> None:
    app.add_template_filter(json_colours)


def json_colours(text: str) -> Markup:
    """``text`` with names, strings and numbers marked; whatever is no JSON comes out as it is."""
    if len(text) > LONGEST or not text.lstrip().startswith(("{", "[", '"')):
        return escape(text)
    out, at = [], 0
    for found in PART.finditer(text):
        out.append(escape(text[at : found.start()]))
        string, colon, other = found.groups()
        kind = "c-k" if colon else "c-s" if string else "c-n"
        out.append(Markup('<span class="{}">{}</span>{}').format(kind, string or other, colon or ""))
        at = found.end()
    return Markup("").join([*out, escape(text[at:])])
