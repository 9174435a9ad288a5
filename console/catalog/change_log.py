"""What the revisions of a version changed, in words: for those who call it."""

from __future__ import annotations

from dataclasses import dataclass

from ..apis.diff import Comparison, compare
from ..apis.models import ApiVersion, Revision
from ..apis.revisions import revisions
from ..runtime import runtime

PAGE = 10


@dataclass(frozen=True)
class Entry:
    """``comparison``: with the revision before; None for the first one."""

    revision: Revision
    comparison: Comparison | None


def change_log(version: ApiVersion, *, before: int = 0) -> tuple[list[Entry], int | None]:
    """Newest first, and the number of the revision where the next page begins."""
    found = revisions(version, before=before, size=PAGE)
    entries = [Entry(new, _compared(old, new)) for new, old in zip(found, [*found[1:], None], strict=False)]
    return entries[:PAGE], found[PAGE - 1].number if len(found) > PAGE else None


def _compared(old: Revision | None, new: Revision) -> Comparison | None:
    """Compared once in a process: revisions never change."""
    if old is None:
        return None
    known, key = runtime().parsed, ("compared", old.id, new.id)
    if key not in known:
        known[key] = compare(old.content["document"], new.content["document"])
    found: Comparison = known[key]
    return found
