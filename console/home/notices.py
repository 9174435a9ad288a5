"""One thing that waits for somebody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """``consequence``: what follows from it, muted below; ``verb``: the one thing to do."""

    tone: str
    icon: str
    what: str
    consequence: str
    verb: str
    url: str
