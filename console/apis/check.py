"""All that is wrong with a document as it is being written: nothing is raised, each problem has its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from .openapi import dangling, problems
from .outline import Outline, outline
from .positions import Positions
from .problems import Problem as Found
from .reader import read
from .tree import Path

MOST = 100
AGAIN_BELOW = 400_000  # characters: a text as short as this is looked at again without the line that cannot be read
TIMES = 4
LINE = re.compile(r"\bline (\d+)")


@dataclass(frozen=True)
class Problem:
    """Lines and columns count from 1. ``severity`` is ``error`` or ``warning``; ``rule`` as in `problems.Problem`, or ``syntax``."""

    line: int
    column: int
    severity: str
    message: str
    rule: str
    path: Path = ()


@dataclass(frozen=True)
class Checked:
    problems: list[Problem]  # by line, at most `MOST`
    more: int  # problems beyond these
    outline: Outline
    positions: Positions
    document: Any  # None when the text cannot be read

    @property
    def is_good(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)


def check(text: str) -> Checked:
    """What an editor marks and shows. Of a text that cannot be read, the outline is of what can."""
    positions = Positions(text)
    try:
        document = read(text)
    except Refused as refused:
        found, readable = _unreadable(positions, refused)
        return _checked(found, outline(readable), positions, None)
    found = [_syntax(positions, fault.offset, fault.message, "warning") for fault in positions.faults]
    found += [_placed(positions, problem) for problem in _all(document)]
    return _checked(found, outline(positions), positions, document)


def _checked(found: list[Problem], parts: Outline, positions: Positions, document: Any) -> Checked:
    found = sorted(set(found), key=lambda problem: (problem.line, problem.column, problem.message))
    return Checked(found[:MOST], max(0, len(found) - MOST), parts, positions, document)


def _all(document: Any) -> Iterator[Found]:
    found = problems(document)
    yield from found
    if found and found[0].rule == "schema":
        yield from dangling(document)  # they can be told all the same


def _placed(positions: Positions, problem: Found) -> Problem:
    mark = positions.nearest(problem.path).start
    where = f"{problem.where}: " if problem.where and problem.where[:1].isupper() else ""  # the line says where
    text = where + problem.message
    return Problem(mark.line, mark.column, "error", text[:1].upper() + text[1:], problem.rule, problem.path)


def _syntax(positions: Positions, offset: int, message: str, severity: str = "error") -> Problem:
    mark = positions.mark(offset)
    return Problem(mark.line, mark.column, severity, message, "syntax")


def _unreadable(positions: Positions, refused: Refused) -> tuple[list[Problem], Positions]:
    """The mistakes, and the places of what stands around them."""
    found = [_syntax(positions, fault.offset, fault.message) for fault in positions.faults]
    first = {problem.line: problem for problem in reversed(found)}  # the others in a line mostly follow from it
    if not found:
        said = LINE.search(refused.message)
        first = {1: Problem(int(said[1]) if said else 1, 1, "error", refused.message, "syntax")}
    return list(first.values()), _readable(positions)


def _readable(positions: Positions) -> Positions:
    """The scanner of JSON went on by itself; YAML is looked at again without the lines at which it ends."""
    for _ in range(TIMES):
        if not positions.faults or len(positions.text) > AGAIN_BELOW or _is_json(positions):
            break
        fault = positions.faults[-1]
        positions = Positions(_without(positions.text, positions.mark(max(fault.opened, 0) or fault.offset).line))
    return positions


def _is_json(positions: Positions) -> bool:
    return positions.text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _without(text: str, line: int) -> str:
    """With that line blank; the others keep their numbers."""
    lines = text.split("\n")
    lines[line - 1 : line] = [""]
    return "\n".join(lines)
