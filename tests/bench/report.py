"""What a bench found: a table for people, JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Report:
    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)  # the first one's keys are the columns
    notes: list[str] = field(default_factory=list)

    def bar(self, what: str, value: float, *, at_least: float = 0, at_most: float = 0) -> None:
        """State whether an aim was met. A miss fails nothing: machines differ, and people judge it."""
        met = value >= at_least if at_least else value <= at_most
        aim = f"at least {at_least:g}" if at_least else f"at most {at_most:g}"
        self.notes.append(f"{'met   ' if met else 'MISSED'} {what}: {value:.2f}, aim {aim}")

    def show(self) -> None:
        names = list(self.rows[0])
        lines = [names, *([_text(row[name]) for name in names] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(f"\n{self.title}\n")
        for first, *others in lines:
            cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            print("  ".join(("  " + first.ljust(widths[0]), *cells)))
        print("".join(f"\n  {note}" for note in self.notes), flush=True)

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
        said = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine} | asdict(self)
        file.write_text(json.dumps(said, indent=1) + "\n")


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios within each round: what slows a round down slows both."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def spread(values: list[float]) -> str:
    return f"{min(values):,.0f} to {max(values):,.0f}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
