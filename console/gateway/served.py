"""How many requests Envoy answered in each minute: read from its counter, told to the console.

The console compares it with the records that it received. What could not be told yet is kept and told later.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

COUNTER = "http.gatewright.downstream_rq_completed"
MOST_KEPT = 1440  # minutes that wait to be told: a day
TRY_AGAIN_S = 5.0
Read = Callable[[], int | None]
Tell = Callable[[dict[int, int]], bool]


class Served:
    """``read``: Envoy's counter now, None when Envoy does not answer. ``tell``: whether the console took it."""

    def __init__(self, read: Read, tell: Tell, clock: Callable[[], float] = time.time) -> None:
        self.read, self.tell, self.clock = read, tell, clock
        self.last: int | None = None
        self.minute = int(clock()) // 60
        self.waiting: dict[int, int] = {}

    def look(self) -> None:
        """Note what was served since the last look; called often, it tells the minutes that are over.

        A look in the first moments of a minute closes the one before. After a longer time without one, all that was
        served since goes to the minute of the last look: in sum it is right.
        """
        count, minute = self.read(), int(self.clock()) // 60
        if count is not None:
            before = 0 if self.last is None or count < self.last else self.last  # Envoy was started again
            self.waiting[self.minute] = self.waiting.get(self.minute, 0) + count - before
            self.last = count
        self.minute = minute
        for old in sorted(self.waiting)[:-MOST_KEPT]:
            del self.waiting[old]

    def told(self) -> bool:
        """Whether there is nothing left to tell about minutes that are over."""
        over = {minute: count for minute, count in self.waiting.items() if minute < self.minute}
        if over and self.tell(over):
            for minute in over:
                del self.waiting[minute]
            return True
        return not over

    def say_goodbye(self) -> None:
        """The minute that is under way will not be told otherwise."""
        self.look()
        if self.waiting:
            self.tell(dict(self.waiting))

    def keep_telling(self, stop: threading.Event) -> None:
        """Until told to stop: a look as soon as each minute is over."""
        while not stop.wait(self._wait_s()):
            self.look()
            self.told()

    def _wait_s(self) -> float:
        left = 60 - self.clock() % 60 + 0.01
        return min(left, TRY_AGAIN_S) if any(m < self.minute for m in self.waiting) else left


def counter_in(stats: str) -> int | None:
    found = re.search(rf"^{re.escape(COUNTER)}: (\d+)$", stats, re.MULTILINE)
    return int(found[1]) if found else None
