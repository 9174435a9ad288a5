"""How a value is written into a document: as YAML on lines of its own, as YAML in one line, or as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .reader import FLOAT, INTEGER, WORDS

# what YAML 1.1 readers would take for something else than text, beside what ours does
OLD_WORDS = re.compile(
    r"(y|n|yes|no|on|off|true|false|null)|[-+]?0[xob]?[0-9a-f_]+|[-+]?[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?\.(inf|nan)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|<<|=",
    re.IGNORECASE,
)
UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\ud800-\udfff]")
FOLD_AT = 80
LONGEST_KEY = 500  # libyaml looks 1,024 bytes ahead for the colon of a key


@dataclass(frozen=True)
class Style:
    """What the text around is like."""

    json: bool = False
    newline: str = "\n"
    step: str = "  "  # of indentation; "" where a JSON document is one line
    comma: str = ", "
    colon: str = ": "
    quote: str = "'"
    dash: str = "  "  # how far the dashes of a list are indented from its key


@dataclass(frozen=True)
class Written:
    """``head`` stands behind the key, ``body`` on the lines below it."""

    head: str
    body: str = ""


def in_flow(value: Any, style: Style, indent: str, *, spread: bool = False) -> str:
    """In one line; of JSON that is ``spread``, on lines indented from ``indent``."""
    if style.json:
        return _json(value, style, indent, spread=spread)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(k, style, flow=True)}: {in_flow(v, style, '')}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_flow(v, style, "") for v in value) + "]"
    return scalar(value, style, flow=True)


def _json(value: Any, style: Style, indent: str, *, spread: bool) -> str:
    if not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if not spread or not value:
        return json.dumps(value, ensure_ascii=False, separators=(style.comma, style.colon))
    lines = json.dumps(value, ensure_ascii=False, indent=style.step, separators=(",", style.colon)).split("\n")
    return (style.newline + indent).join(lines)


def in_block(value: Any, style: Style, indent: str, old: str = "") -> Written:
    """Behind a key whose own lines are indented by ``indent``. ``old`` is the style of the text that it replaces."""
    if isinstance(value, dict | list) and value:
        return Written("", block(value, style, indent + (style.step if isinstance(value, dict) else style.dash)))
    if isinstance(value, dict | list):
        return Written("{}" if isinstance(value, dict) else "[]")
    if isinstance(value, str) and (lines := long_text(value, style, indent + style.step, old)):
        return lines
    return Written(scalar(value, style, old=old))


def block(value: Any, style: Style, indent: str) -> str:
    """A collection on lines of its own, the first one indented, too."""
    if isinstance(value, dict):
        lines = [indent + pair(key, inner, style, indent) for key, inner in value.items()]
    else:
        lines = [indent + item(inner, style, indent) for inner in value]
    return style.newline.join(lines)


def pair(key: str, value: Any, style: Style, indent: str) -> str:
    written = in_block(value, style, indent)
    head = f"{text(key, style)}:" + (f" {written.head}" if written.head else "")
    return head + (style.newline + written.body if written.body else "")


def item(value: Any, style: Style, indent: str) -> str:
    if isinstance(value, dict | list) and value:
        return "- " + block(value, style, indent + "  ").removeprefix(indent + "  ")
    written = in_block(value, style, indent)
    return f"- {written.head}" + (style.newline + written.body if written.body else "")


def long_text(value: str, style: Style, indent: str, old: str = "") -> Written | None:
    """Of a text with several lines, or of one that was folded: None where it is better written in one line."""
    lines = value.split("\n")
    body = lines[:-1] if value.endswith("\n") else lines
    odd = UNPRINTABLE.search(value) or value.endswith("\n\n") or any(line != line.rstrip() for line in lines)
    if odd or not value.strip() or value.startswith((" ", "\t", "\n")):
        return None
    chomp = "" if value.endswith("\n") else "-"
    if old == ">" and (folded := _folded(body)) is not None:
        return Written(f">{chomp}", style.newline.join(indent + line if line else "" for line in folded))
    if len(body) < 2 and old != "|":
        return None
    return Written(f"|{chomp}", style.newline.join(indent + line if line else "" for line in body))


def _folded(paragraphs: list[str]) -> list[str] | None:
    """Lines of a ``>`` text: each line break of the value is a blank line there. None for what would change by it."""
    if any(p.startswith((" ", "\t")) or "  " in p or not p for p in paragraphs):
        return None
    out: list[str] = []
    for paragraph in paragraphs:
        line = ""
        for word in paragraph.split(" "):
            if line and len(line) + len(word) >= FOLD_AT:
                out.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        out += [line, ""]
    return out[:-1]


def scalar(value: Any, style: Style, *, flow: bool = False, old: str = "") -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    return text(str(value), style, flow=flow, old=old)


def text(value: str, style: Style, *, flow: bool = False, old: str = "") -> str:
    """A string in one line, plain where every reader takes it for the same string, in ``old`` quotes where it had some."""
    if style.json:
        return json.dumps(value, ensure_ascii=False)
    if UNPRINTABLE.search(value) or "\n" in value or "\t" in value:
        return _double(value)
    if old in ("'", '"'):
        return _double(value) if old == '"' else _single(value)
    if is_plain(value, flow=flow):
        return value
    return _double(value) if style.quote == '"' and "\\" not in value else _single(value)


def is_plain(value: str, *, flow: bool) -> bool:
    if not value or value != value.strip() or value[0] in "-?:,[]{}#&*!|>'\"%@`":
        return False
    if value in WORDS or INTEGER.fullmatch(value) or FLOAT.fullmatch(value) or OLD_WORDS.fullmatch(value):
        return False
    if ": " in value or " #" in value or value.endswith(":") or value.startswith(("---", "...")):
        return False
    return not (flow and any(c in value for c in ",[]{}?:"))


def _single(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _double(value: str) -> str:
    return UNPRINTABLE.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
