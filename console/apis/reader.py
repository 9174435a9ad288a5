"""Text to data, for text that nobody has looked at: JSON or YAML 1.2, bounded in size, depth and aliases.

YAML is built here from libyaml's events instead of by its loader: so a bomb stops at the budget and not after it,
duplicate keys are refused with their line, and YAML 1.1's surprises (``no`` is false, dates, octal) do not happen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import orjson
import yaml

from ..errors import Refused

LARGEST_BYTES = 10 * 1024 * 1024
DEEPEST = 100
MOST_NODES = 2_000_000
MOST_ALIAS_NODES = 100_000
CHARACTERS_A_NODE = 100  # a long text counts for more than one value, so that its aliases do, too

INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read(text: str) -> Any:
    """The data in ``text``. Anything wrong with it is `Refused` with the line, where there is one."""
    if len(text.encode(errors="replace")) > LARGEST_BYTES:
        raise Refused(f"The document is larger than {LARGEST_BYTES // 1024 // 1024} MB. Split it or drop the examples.")
    if not text.strip():
        raise Refused("The document is empty.")
    if text.lstrip()[0] in "{[":
        try:
            return _json(text)
        except orjson.JSONDecodeError as problem:
            if not text.lstrip().startswith("{") or '"' in text[:200]:
                raise Refused(f"This is not valid JSON: {problem}.") from None
    return read_yaml(text)


def _json(text: str) -> Any:
    value = orjson.loads(text)  # it stops by itself at 1024 levels
    nodes = 0
    for depth, level in enumerate(levels(value)):
        nodes += sum(map(len, level))
        if depth > DEEPEST:
            raise Refused(f"The document is nested deeper than {DEEPEST} levels.")
        if nodes > MOST_NODES:
            raise Refused(f"The document has more than {MOST_NODES:,} values.")
    return value


def levels(value: Any) -> Iterator[list[Any]]:
    """Its objects and lists, those of each depth together: no way to look at all of them is faster. It may not go in circles."""
    level = [value] if isinstance(value, dict | list) else []
    while level:
        yield level
        inside = (here.values() if type(here) is dict else here for here in level)
        level = [one for values in inside for one in values if type(one) is dict or type(one) is list]


def read_yaml(text: str) -> Any:
    """The same of what is YAML for certain, however much of it looks like JSON."""
    try:
        return _Builder(yaml.parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Refused(f"This is not valid YAML{where}: {problem.problem}.") from None
    except UnicodeEncodeError:
        raise Refused("The document holds half a character (a lone surrogate). Save it as UTF-8 again.") from None
    except yaml.YAMLError as problem:
        raise Refused(f"This is not valid YAML: {str(problem).splitlines()[0]}.") from None


class _Builder:
    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, tuple[Any, int, int]] = {}  # value, size, height
        self.nodes = self.from_aliases = self.deepest = 0

    def document(self) -> Any:
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise Refused("The document is empty.")
        value = self.node(next(self.events), 0)
        next(self.events)  # document end
        if not isinstance(next(self.events), yaml.StreamEndEvent):
            raise Refused("There is more than one YAML document in this file. Import one at a time.")
        return value

    def node(self, event: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > DEEPEST:
            raise Refused(f"The document is nested deeper than {DEEPEST} levels (line {event.start_mark.line + 1}).")
        if self.nodes > MOST_NODES:
            raise Refused(f"The document has more than {MOST_NODES:,} values.")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        before, outside, self.deepest = self.nodes, self.deepest, depth
        if isinstance(event, yaml.ScalarEvent):
            value = scalar(event)
            self.nodes += len(event.value) // CHARACTERS_A_NODE
        elif isinstance(event, yaml.MappingStartEvent):
            value = self.mapping(depth)
        else:
            value = self.sequence(depth)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.nodes - before + 1, self.deepest - depth)
        self.deepest = max(self.deepest, outside)
        return value

    def alias(self, event: Any, depth: int) -> Any:
        line = event.start_mark.line + 1
        if event.anchor not in self.anchors:
            raise Refused(f"The alias *{event.anchor} at line {line} has no anchor before it.")
        value, size, height = self.anchors[event.anchor]
        self.deepest = max(self.deepest, depth + height)
        if self.deepest > DEEPEST:
            raise Refused(f"The document is nested deeper than {DEEPEST} levels (line {line}).")
        self.nodes += size
        self.from_aliases += size
        if self.from_aliases > MOST_ALIAS_NODES:
            raise Refused(f"The aliases in this document grow it without end (line {line}). Write the parts out.")
        return value

    def mapping(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise Refused(f"The key at line {line} is not a plain word.")
            if event.value in out:
                raise Refused(f"The key {event.value!r} is there twice; the second is at line {line}.")
            if event.value == "<<" and not event.style:
                raise Refused(f"YAML merge keys (<<) are not part of OpenAPI (line {line}). Write the keys out.")
            self.nodes += len(event.value) // CHARACTERS_A_NODE
            out[event.value] = self.node(next(self.events), depth + 1)
        return out

    def sequence(self, depth: int) -> list[Any]:
        out = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            out.append(self.node(event, depth + 1))
        return out


def scalar(event: Any) -> Any:
    """YAML 1.2 core schema; quoted is always text."""
    text: str = event.value
    if event.style or event.tag == "tag:yaml.org,2002:str":  # plain is ""
        return text
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text) and math.isfinite(float(text)):  # JSON, where it is kept, has no infinity
        return float(text)
    return text
