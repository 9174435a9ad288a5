"""One look for what is over: each of it is archived first, where there is an archive, and only then goes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from .archive import TROUBLE, Archive
from .retention import Changed, Due, Retention, all_of, begun, delete_over, drop_whole, due
from .segments import oldest, size_bytes
from .store import Store

ROOM = 0.9  # of the budget: so full it is after days were dropped for it
UNARCHIVED = 1.25  # of the budget: so much is kept of what cannot be archived
MOST_TRIES = 3  # at a day that records keep coming for

log = structlog.get_logger("logs")


@dataclass
class Sweep:
    store: Store
    archive: Archive | None
    trouble: str = ""  # with the archive; nothing more is tried then

    def drop_days(self, kept: Retention) -> list[Due]:
        """Those of which nothing is to be kept; what is over of the others is returned."""
        partly = []
        for one, until in begun(self.store, kept.newest_end):
            found = due(self.store, one.start, until, kept)
            if found is None:
                continue
            if not found.is_whole:
                partly.append(found)
            elif self._is_kept_elsewhere(found):
                drop_whole(self.store, found, archived=self.archive is not None)
        return partly

    def make_room(self, budget: float) -> None:
        """Of what cannot be archived, only so much goes that new records find room."""
        tries = 0
        while self.used_bytes() > budget * ROOM and tries < MOST_TRIES:
            found = self._oldest()
            if found is None:
                break
            is_archived = self._is_kept_elsewhere(found)
            if not is_archived and self.used_bytes() <= budget * UNARCHIVED:
                break
            archived = is_archived and self.archive is not None
            tries = 0 if drop_whole(self.store, found, archived=archived) else tries + 1

    def delete(self, found: Due) -> None:
        if self._is_kept_elsewhere(found):
            with contextlib.suppress(Changed):  # what came is archived by the next look
                delete_over(self.store, found, archived=self.archive is not None)

    def used_bytes(self) -> int:
        with self.store.reading() as connection:
            return size_bytes(connection)

    def prepare(self) -> None:
        if self.archive:
            self._try(self.archive.prepare)

    def _oldest(self) -> Due | None:
        with self.store.reading() as connection:
            found = oldest(connection)
        return all_of(self.store, found[0], "budget") if found else None

    def _is_kept_elsewhere(self, found: Due) -> bool:
        """Or needs not be."""
        archive = self.archive
        return archive is None or (not self.trouble and self._try(lambda: archive.keep(self.store, found)))

    def _try(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except TROUBLE as problem:
            log.error("logs.not_archived", error=str(problem)[:300])
            self.trouble = str(problem)[:300] or type(problem).__name__
        return not self.trouble
