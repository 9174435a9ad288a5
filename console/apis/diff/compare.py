"""The comparison of two whole documents."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from .about import compare_about
from .changes import Comparison, Ledger
from .document import Pair
from .operations import Operations
from .report import Report
from .security import compare_global_security


def compare(old: dict[str, Any], new: dict[str, Any], on: date | None = None) -> Comparison:
    """What who knows the old document has to expect of the new one.

    Both are documents that `openapi.parse` took. ``on`` is the day for which sunsets count (today, UTC). Never raises. What reads the
    same costs next to nothing; at worst, when all of it reads otherwise, it takes about as long as parsing both as YAML.
    """
    if old is new or old == new:
        return Comparison()
    ledger = Ledger()
    pair = Pair(old, new)
    about = Report(ledger)
    compare_about(about, pair)
    compare_global_security(about, pair)
    operations = Operations(pair, ledger, on or datetime.now(UTC).date())
    operations.compare()
    return ledger.total(operations.schemas.incomplete)
