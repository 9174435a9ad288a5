"""What every bench is told, and how it says that it cannot run here."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent
INSTALL = {"wrk": "apt-get install wrk", "node": "install Node.js 20 or newer", "npm": "install Node.js 20 or newer"}


class Skipped(Exception):
    """Something this bench needs is not on this machine; the text says what, and how to get it."""


@dataclass(frozen=True)
class Options:
    rounds: int = 5
    seconds: int = 3
    against: Path | None = None
    rows: int = 10_000_000
    cache: Path | None = None

    @property
    def checkouts(self) -> dict[str, Path]:
        """What to measure by name: this checkout, and the one it is to be compared with."""
        other = {"other": self.against.absolute()} if self.against else {}
        return {"ours": CHECKOUT} | other


def needs(program: str) -> str:
    """The program's path; without it the bench is skipped."""
    found = shutil.which(program)
    if found is None:
        raise Skipped(f"{program} is not installed: {INSTALL[program]}.")
    return found
