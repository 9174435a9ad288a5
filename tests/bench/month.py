"""A month of made-up calls, in a console's own log: days and nights, few APIs and callers with most of the calls.

The rows go the way of the writer (`insert_rows`, the hourly sums, the days that are over), in blocks of an hour.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.logs.store import Store

DAYS, HOUR_US = 30, 3_600_000_000
NODES, ADDRESSES, AGENTS = 8, 50_000, 300
NEEDLE_EVERY = 50_000
TEMPLATES = ("/orders", "/orders/{id}", "/orders/{id}/lines", "/customers/{id}")
METHODS, METHOD_WEIGHTS = ("GET", "POST", "DELETE"), (80, 95, 100)  # weights are cumulative, as `choices` wants them
STATUSES, STATUS_WEIGHTS = (200, 201, 404, 401, 429, 500, 503), (880, 940, 965, 980, 985, 995, 1000)
REASONS = {401: "jwt_authn_access_denied{Jwt_is_expired}", 503: "upstream_reset_before_response_started"}
SPREAD, SHAPES = 0.6, 65_536  # of the lognormal latencies, and how many of them there are to choose from
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Cast:
    """Who is called and who calls, those with the most calls first."""

    version_ids: list[int]
    paths: list[str]  # by version
    client_ids: list[str]


class Month:
    """``count`` rows that end at ``end_us``; the same ones for the same cast and end."""

    def __init__(self, count: int, end_us: int, cast: Cast, seed: int = 11) -> None:
        self.count, self.end_us, self.cast = count, end_us, cast
        self.dice = dice = random.Random(seed)
        self.versions, self.clients = zipf(len(cast.version_ids), 1.1), zipf(len(cast.client_ids), 1.05)
        self.medians_us = [dice.lognormvariate(math.log(20_000), 1.0) for _ in cast.version_ids]
        self.shapes = [dice.lognormvariate(0, SPREAD) for _ in range(SHAPES)]
        self.addresses = [f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(ADDRESSES)]
        self.agents = [f"client-{n}/{n % 7}.{n % 10} (build {n * 7919 % 9973})" for n in range(AGENTS)]
        self.made = 0

    def blocks(self) -> Iterator[list[Row]]:
        """An hour each, in order."""
        first = (self.end_us - DAYS * 24 * HOUR_US) // HOUR_US
        hours = range(first, self.end_us // HOUR_US + 1)
        weights = [_weight(hour) * self._share(hour) for hour in hours]
        for hour, until in zip(hours, accumulate(weights), strict=True):
            size = round(self.count * until / sum(weights)) - self.made
            yield self._block(hour, size)
            self.made += size

    def _share(self, hour: int) -> float:
        """How much of this hour is in the month: the first and the last one are not whole."""
        begin = max(hour * HOUR_US, self.end_us - DAYS * 24 * HOUR_US)
        return (min((hour + 1) * HOUR_US, self.end_us) - begin) / HOUR_US

    def _moments(self, hour: int, size: int) -> list[int]:
        begin = max(hour * HOUR_US, self.end_us - DAYS * 24 * HOUR_US)
        width = min((hour + 1) * HOUR_US, self.end_us) - begin
        return sorted(begin + int(self.dice.random() * width) for _ in range(size))

    def _block(self, hour: int, size: int) -> list[Row]:
        dice, cast, choose = self.dice, self.cast, self.dice.choices
        numbers = choose(range(len(cast.version_ids)), cum_weights=self.versions, k=size)
        methods = choose(METHODS, cum_weights=METHOD_WEIGHTS, k=size)
        operations = choose(TEMPLATES, k=size)
        statuses = choose(STATUSES, cum_weights=STATUS_WEIGHTS, k=size)
        spent = [int(self.medians_us[n] * shape) for n, shape in zip(numbers, choose(self.shapes, k=size), strict=True)]
        things = choose(range(100_000), k=size)
        paths = [
            cast.paths[n] + operation.replace("{id}", str(thing))
            for n, operation, thing in zip(numbers, operations, things, strict=True)
        ]
        for place in range(-self.made % NEEDLE_EVERY, size, NEEDLE_EVERY):
            paths[place] += "/needle"
        return list(
            zip(
                self._moments(hour, size),
                choose(range(1, NODES + 1), k=size),
                [cast.version_ids[n] for n in numbers],
                choose(cast.client_ids, cum_weights=self.clients, k=size),
                choose(("jws", "jws", "jwe", "key"), k=size),
                _hex(dice, size, 8),
                methods,
                paths,
                statuses,
                spent,
                [us * 9 // 10 for us in spent],
                choose(range(2_000), k=size),
                choose(range(20_000), k=size),
                _hex(dice, size, 16),
                choose(self.addresses, k=size),
                choose(self.agents, k=size),
                [REASONS.get(status, "via_upstream") for status in statuses],
                _hex(dice, size, 16),
                operations,
                [""] * size,
                strict=True,
            )
        )


def zipf(count: int, exponent: float) -> list[float]:
    """Cumulative weights."""
    return list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))


def _hex(dice: random.Random, count: int, width: int) -> list[str]:
    text = dice.randbytes(width * count).hex()
    return [text[at : at + 2 * width] for at in range(0, len(text), 2 * width)]


def _weight(hour: int) -> float:
    day = 0.35 + max(0.0, math.sin((hour % 24 - 6) / 24 * 2 * math.pi)) * 1.3
    return day * (0.55 if (hour // 24 + 4) % 7 in (0, 6) else 1.0)


def write(store: Store, month: Month) -> float:
    """All of it, and the days that are over summed up; the seconds it took."""
    from console.db import now
    from console.logs.days import close_days

    began = time.monotonic()
    for block in month.blocks():
        keep(store, block)
    while close_days(store, now()):
        pass
    return time.monotonic() - began


def keep(store: Store, block: list[Row]) -> None:
    from console.logs import rollups
    from console.logs.store import EPOCH_US, SEQUENCE_BITS
    from console.logs.writer import insert_rows

    numbered = [((row[0] - EPOCH_US) << SEQUENCE_BITS | i & 4095, *row[1:]) for i, row in enumerate(block)]
    with store.writing() as connection:
        insert_rows(connection, numbered)
        rollups.add(connection, block)
