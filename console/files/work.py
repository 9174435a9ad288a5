"""What is being carried out: who does it, and what was done so far, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..accounts.models import Permission, Person
from ..errors import Denied


@dataclass
class Work:
    """``steps``: what it is about, and what is done to it, in order. ``notes``: what else to know of it."""

    by: Person
    steps: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def say(self, subject: str, step: str) -> None:
        self.steps.append((subject, step))

    def note(self, subject: str, words: str) -> None:
        """Apart from the steps: the same work may say something else a moment later, such as how many called."""
        if words:
            self.notes.append((subject, words))

    def needs(self, permission: Permission) -> None:
        if not self.by.may(permission):
            raise Denied(f"{self.by.email} may not do this: it takes the permission {permission}.")

    @property
    def text(self) -> str:
        """For people: each subject once, its steps below it."""
        if not self.steps:
            return "Nothing to change."
        by_subject: dict[str, list[str]] = {}
        for subject, step in (*self.steps, *self.notes):
            by_subject.setdefault(subject, []).append(step)
        return "\n".join(f"{s}\n" + "\n".join(f"  {step}" for step in steps) for s, steps in by_subject.items())


def differs(name: str, before: Any, after: Any) -> str:
    return f"{name}: {_plain(before)} -> {_plain(after)}"


def _plain(value: Any) -> str:
    if value in (None, "", []):
        return "nothing"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
