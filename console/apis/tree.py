"""The places of a document's values, grown from its text without its values: for JSON by a scanner of ours, which goes on
after a mistake, for YAML from libyaml's events, which end at one.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import Any

import yaml

from .reader import DEEPEST, MOST_NODES

Path = tuple[str | int, ...]
Children = dict[str, int] | list[int]
# a blank run, then one of: text, mark, word, what is none of them
TOKEN = re.compile(r'[ \t\r\n]*(?:("[^"\\\n]*(?:\\.[^"\\\n]*)*")|([{}\[\]:,])|([^\s{}\[\]:,"]+)|(.))', re.DOTALL)
WORD = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
MOST_FAULTS = 20


@dataclass(frozen=True)
class Fault:
    """Something wrong with the text itself."""

    offset: int
    message: str
    opened: int = -1  # where something began that has no end, so that the fault is only noticed here


class Tree:
    """Nodes by number, 0 is the document. Offsets count characters of the text."""

    def __init__(self) -> None:
        self.keys, self.starts, self.ends = (
            array("q"),
            array("q"),
            array("q"),
        )  # key -1: an item of a list, or the document
        self.inside: dict[int, Children] = {}
        self.faults: list[Fault] = []

    def add(self, key: int, start: int, end: int) -> int:
        self.keys.append(key)
        self.starts.append(start)
        self.ends.append(end)
        return len(self.starts) - 1

    def fault(self, offset: int, message: str, opened: int = -1) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(offset, message, opened))


def grow(text: str) -> Tree:
    """The tree of JSON or YAML, by the same rule as `reader.read` tells them apart."""
    head = text.lstrip("\ufeff \t\r\n")[:200]
    return _Json(text).tree if head.startswith("[") or (head.startswith("{") and '"' in head) else _Yaml(text).tree


class _Json:
    """Every token in turn; what is not expected is a fault, and the next token is taken as if it had been."""

    def __init__(self, text: str) -> None:
        self.text, self.tree = text, Tree()
        self.stack: list[int] = []  # containers that are open
        self.key: tuple[str, int] | None = None
        self.wants, self.after_comma = "value", 0
        for token in TOKEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
            kind = token.lastindex or 4
            self.take(kind, token[kind], token.start(kind), token.end(kind))
            if len(self.tree.starts) > MOST_NODES or len(self.stack) > DEEPEST:
                self.tree.fault(token.start(kind), "There is more here than a document may hold.")
                break
        self.close_all()

    def take(self, kind: int, word: str, start: int, end: int) -> None:
        if kind == 2:
            self.mark(word, start)
        elif kind == 4:
            if not word.isspace():
                self.tree.fault(
                    start, "This text has no closing quote." if word == '"' else f"{word!r} has no place here."
                )
        elif self.in_object and self.key is None:
            self.name(kind, word, start, end)
        else:
            if kind == 3 and not WORD.fullmatch(word):
                self.tree.fault(start, f"{word[:40]} is no value of JSON. Put text into double quotes.")
            self.before_value(start)
            self.place(start, end)

    @property
    def in_object(self) -> bool:
        return bool(self.stack) and isinstance(self.tree.inside[self.stack[-1]], dict)

    def name(self, kind: int, word: str, start: int, end: int) -> None:
        if self.wants == "comma":
            self.tree.fault(start, "A comma is missing before this.")
        if kind == 3:
            self.tree.fault(start, f"The key {word[:40]} needs double quotes.")
        self.key, self.wants = (unquoted(word), start), "colon"

    def before_value(self, start: int) -> None:
        if self.wants in ("colon", "comma"):
            self.tree.fault(start, f"A {self.wants} is missing before this.")
        elif self.wants == "nothing":
            self.tree.fault(start, "The document ended before this.")

    def place(self, start: int, end: int) -> int:
        """A node for a value, where one is expected."""
        key = self.key[1] if self.key else -1
        node = self.tree.add(key, start, end)
        if self.stack:
            inside = self.tree.inside[self.stack[-1]]
            if isinstance(inside, list):
                inside.append(node)
            elif self.key:
                if self.key[0] in inside:
                    self.tree.fault(key, f"The key {self.key[0]!r} is there twice.")
                inside[self.key[0]] = node
        self.key, self.wants = None, "comma" if self.stack else "nothing"
        return node

    def mark(self, word: str, start: int) -> None:
        if word in "{[":
            self.open(word, start)
        elif word in "}]":
            self.close(word, start)
        elif word == ",":
            if self.wants != "comma":
                self.tree.fault(start, "This comma has no place here.")
            self.key, self.wants = None, "key" if self.in_object else "value"
            self.after_comma = start
        elif self.wants == "colon":
            self.wants = "value"
        else:
            self.tree.fault(start, "This colon has no place here.")

    def open(self, word: str, start: int) -> None:
        if self.in_object and self.key is None:
            self.tree.fault(start, "A key is missing before this.")
        self.before_value(start)
        node = self.place(start, start + 1)
        self.tree.inside[node] = {} if word == "{" else []
        self.stack.append(node)
        self.wants = "first"

    def close(self, word: str, start: int) -> None:
        if not any(isinstance(self.tree.inside[node], dict) == (word == "}") for node in self.stack):
            self.tree.fault(start, f"This {word} closes nothing.")
            return
        while self.in_object != (word == "}"):
            self.give_up(start)
        if self.key:
            self.tree.fault(start, "A value is missing before this.")
        elif self.wants in ("key", "value"):
            self.tree.fault(self.after_comma, "There is a comma after the last entry.")
        self.tree.ends[self.stack.pop()] = start + 1
        self.key, self.wants = None, "comma" if self.stack else "nothing"

    def give_up(self, end: int) -> None:
        """The innermost thing that is open has no end."""
        node = self.stack.pop()
        self.tree.fault(self.tree.starts[node], f"This {self.text[self.tree.starts[node]]} is never closed.")
        self.tree.ends[node] = end

    def close_all(self) -> None:
        while self.stack:
            self.give_up(len(self.text))


def unquoted(word: str) -> str:
    """A key as it is read: only one with an escape needs the real reader."""
    inner = word[1:-1] if word.startswith('"') else word
    if "\\" in inner:
        try:
            return str(yaml.load(word, Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            return inner
    return inner


class _Yaml:
    def __init__(self, text: str) -> None:
        self.shift = 1 if text.startswith("\ufeff") else 0  # libyaml does not count it
        self.tree = Tree()
        self.anchors: dict[str, int] = {}
        self.stack: list[int] = []
        self.key: tuple[str, int] | None = None
        self.end = 0  # of the last value: libyaml says of a block only where the next thing begins
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                if self.take(event):
                    break
        except yaml.MarkedYAMLError as problem:
            self.tree.fault(*self.said(problem))
        except UnicodeEncodeError as problem:
            self.tree.fault(problem.start, "Half a character stands here.")
        except yaml.YAMLError as problem:
            self.tree.fault(getattr(problem, "position", 0), f"This is not valid YAML: {str(problem).splitlines()[0]}.")
        for node in self.stack:
            self.tree.ends[node] = max(self.end, self.tree.starts[node])

    def said(self, problem: yaml.MarkedYAMLError) -> tuple[int, str, int]:
        mark, before = problem.problem_mark or problem.context_mark, problem.context_mark
        text, opened = f"This is not valid YAML: {problem.problem}", -1
        if before and mark and before.line < mark.line:
            text += f" ({problem.context} that begins at line {before.line + 1})"
            opened = before.index + self.shift if "block" not in str(problem.context) else -1
        return (mark.index + self.shift if mark else 0), f"{text}.", opened

    def take(self, event: Any) -> bool:
        """True at the end of what is taken."""
        start, end = event.start_mark.index + self.shift, event.end_mark.index + self.shift
        if isinstance(event, yaml.ScalarEvent):
            if self.key is None and self.stack and isinstance(self.tree.inside[self.stack[-1]], dict):
                self.name(event, start)
            else:
                self.place(event, start, end)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = self.stack.pop()
            self.end = max(
                self.end, end if end > start else self.tree.starts[node]
            )  # only the braces of flow have a width
            self.tree.ends[node] = self.end
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            node = self.place(event, start, end)
            self.tree.inside[node] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.stack.append(node)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event, start, end)
        elif isinstance(event, yaml.DocumentEndEvent):
            return True
        return self.too_much(start)

    def too_much(self, start: int) -> bool:
        if len(self.tree.starts) > MOST_NODES or len(self.stack) > DEEPEST:
            self.tree.fault(start, "There is more here than a document may hold.")
            return True
        return False

    def name(self, event: Any, start: int) -> None:
        if event.value == "<<" and not event.style:
            self.tree.fault(start, "YAML merge keys (<<) are not part of OpenAPI. Write the keys out.")
        self.key = (event.value, start)

    def place(self, event: Any, start: int, end: int) -> int:
        inside = self.tree.inside[self.stack[-1]] if self.stack else None
        if isinstance(inside, dict) and self.key is None:
            self.tree.fault(start, "This key is not a plain word.")
            self.key = ("", start)
        node = self.tree.add(self.key[1] if self.key else -1, start, end)
        if isinstance(inside, list):
            inside.append(node)
        elif inside is not None and self.key:
            if self.key[0] in inside:
                self.tree.fault(self.key[1], f"The key {self.key[0]!r} is there twice.")
            inside[self.key[0]] = node
        self.end = max(self.end, end)
        self.key = None
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any, start: int, end: int) -> None:
        node = self.place(event, start, end)
        origin = self.anchors.get(event.anchor)
        if origin is None:
            self.tree.fault(start, f"The alias *{event.anchor} has no anchor before it.")
        elif origin in self.tree.inside:
            self.tree.inside[node] = self.tree.inside[origin]
