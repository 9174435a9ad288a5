"""YAML files to data that still knows its lines, so that whatever is refused later can say where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from ..apis.reader import scalar
from ..errors import Refused
from .schema import SCHEMA

Pointer = tuple[str | int, ...]
SUFFIXES = (".yaml", ".yml", ".json")
AS_WRITTEN = ("version", "successor")  # a version 1.10 is no number
DEEPEST = 50


class Misplaced(Refused):
    """A refusal that says in which file and line."""


@dataclass(frozen=True)
class File:
    path: Path
    data: dict[str, Any]
    lines: dict[Pointer, int] = field(repr=False)

    def line(self, pointer: Pointer) -> int:
        """Of this place, or of the nearest one around it."""
        while pointer not in self.lines:
            pointer = pointer[:-1]
        return self.lines[pointer]

    @contextmanager
    def at(self, *pointer: str | int) -> Iterator[None]:
        """What is refused within is refused with the line of this place, or of the member of it that is named."""
        try:
            yield
        except Misplaced:
            raise
        except Refused as refused:
            named: Pointer = (*pointer, refused.field) if refused.field else pointer
            raise self.refusal(named, _whole(refused)) from None

    def refusal(self, pointer: Pointer, message: str) -> Misplaced:
        return Misplaced(f"{self.path}:{self.line(pointer)}: {message}")

    def text_of(self, said: dict[str, Any], pointer: Pointer) -> str:
        """The OpenAPI document of a version: in the file itself, or in one beside it."""
        if ("document" in said) == ("document_file" in said):
            raise self.refusal(
                pointer, "Write the OpenAPI document as `document`, or name its file as `document_file`."
            )
        if "document" in said:
            return str(said["document"])
        try:
            return (self.path.parent / str(said["document_file"])).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as problem:
            why = getattr(problem, "strerror", None) or "it is not UTF-8 text"
            raise self.refusal((*pointer, "document_file"), f"{said['document_file']} cannot be read: {why}.") from None


def _whole(refused: Refused) -> str:
    problems = getattr(refused, "problems", [])
    return "\n  ".join([refused.message, *problems])


def read_files(place: Path) -> list[File]:
    """One file, or all of a directory, by name."""
    paths = [place]
    if place.is_dir():
        paths = sorted(path for path in place.iterdir() if path.suffix in SUFFIXES and path.is_file())
        if not paths:
            raise Refused(f"{place} holds no file that ends in {', '.join(SUFFIXES)}.")
    return [read_file(path) for path in paths]


def read_file(path: Path) -> File:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise Refused(f"{path} cannot be read: {why}.") from None
    node = _compose(path, text)
    lines: dict[Pointer, int] = {}
    file = File(path, _Reader(path, lines).value(node, ()) if node is not None else {}, lines)
    lines.setdefault((), 1)
    _check(file)
    return file


def _compose(path: Path, text: str) -> Any:
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent) and event.start_mark is not None:
                raise Misplaced(f"{path}:{event.start_mark.line + 1}: Aliases (*) are not read. Write it out.")
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise Misplaced(f"{path}:{line}: This is not valid YAML: {problem.problem or problem.context}.") from None
    except yaml.YAMLError as problem:
        raise Misplaced(f"{path}:1: This is not valid YAML: {str(problem).splitlines()[0]}.") from None


class _Reader:
    def __init__(self, path: Path, lines: dict[Pointer, int]) -> None:
        self.path, self.lines = path, lines

    def value(self, node: Any, pointer: Pointer) -> Any:
        self.lines.setdefault(pointer, node.start_mark.line + 1)
        if len(pointer) > DEEPEST:
            raise Misplaced(f"{self.path}:{self.lines[pointer]}: This is nested too deeply.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*pointer, index)) for index, one in enumerate(node.value)]
        return str(node.value) if pointer[-1:] and pointer[-1] in AS_WRITTEN else scalar(node)

    def _mapping(self, node: Any, pointer: Pointer) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.value in found:
                raise Misplaced(f"{self.path}:{line}: Each key is a plain word, and there once.")
            self.lines[(*pointer, key.value)] = line
            found[key.value] = self.value(value, (*pointer, key.value))
        return found


@cache
def _validator() -> Any:
    return jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)


def _check(file: File) -> None:
    for error in _validator().iter_errors(file.data):
        raise file.refusal(tuple(error.instance_path), f"{error.message[:300]}. docs/files.md has the form.")
