"""A month of log records with days and nights, weekends, slow answers, refusals, and one bad afternoon."""

from __future__ import annotations

import math
import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from sqlalchemy import select

from ..apis.models import ApiVersion
from ..applications.models import SubscriptionState
from ..applications.queries import subscribers
from ..db import db, now
from ..gateway.models import Node
from ..logs import rollups
from ..logs.store import EPOCH_US, SEQUENCE_BITS
from ..logs.writer import Row, insert_rows
from ..runtime import runtime
from .world import CALLS, Call

DAYS = 40
STEP_US = 6 * 3_600_000_000  # so long who calls how much stays the same
BLOCK = 20_000
GOOD = {"POST": 201, "DELETE": 204}
PARAMETER = re.compile(r"\{\w+\}")
FADE_US = 60 * 86_400_000_000
AGENTS = (
    "okhttp/4.12.0",
    "python-requests/2.32",
    "curl/8.5.0",
    "axios/1.7.9",
    "Go-http-client/2.0",
    "FjordMobile/3.4 iOS",
)
REFUSALS = (
    (401, "jwt_authn_access_denied{Jwt_is_expired}"),
    (401, "jwt_authn_access_denied{Jwt_is_missing}"),
    (403, "rbac_access_denied_matched_policy[insufficient_scope]"),
    (401, "rbac_access_denied_matched_policy[encryption_required]"),
)


@dataclass(frozen=True)
class Source:
    """One version with those who call it."""

    version_id: int
    path: str
    calls: tuple[Call, ...]
    clients: tuple[str, ...]
    credential: str
    weight: float
    fades_at: int = 0  # microseconds since 1970: since when its clients leave one after the other; 0: they stay
    ends_at: int = 0  # nobody gets through after that; 0: goes on

    def shares(self, at: int) -> list[float]:
        """How much each client calls, the first one most."""
        if self.ends_at and at >= self.ends_at:
            return [0.0 for _ in self.clients]
        gone = max(0.0, (at - self.fades_at) / FADE_US) if self.fades_at else 0.0
        return [max(0.0, 1 - gone * (0.6 + 0.5 * place)) / (1 + place / 2) for place in range(len(self.clients))]


def write(rows: int) -> None:
    """``rows`` records, in time order, in blocks of one transaction each."""
    sources, node_ids = _sources(), list(db.session.scalars(select(Node.id))) or [0]
    db.session.rollback()
    store = runtime().logs
    store.prepare()
    block: list[Row] = []
    for row in records(rows, sources, node_ids):
        block.append(row)
        if len(block) >= BLOCK:
            _flush(block)
            block = []
    if block:
        _flush(block)


def _sources() -> list[Source]:
    found = (_source(version) for version in db.session.scalars(select(ApiVersion).where(ApiVersion.revision > 0)))
    return [source for source in found if source is not None]


def _source(version: ApiVersion) -> Source | None:
    theirs = (s for s in subscribers(version.id) if s.state in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED))
    clients = tuple(s.application.client_id for s in theirs)
    kind = (
        "" if "open" in version.accepts else {"encrypted": "jwe", "signed": "jws", "none": "key"}[version.token_format]
    )
    if not clients and kind:
        return None
    weight = {"Tracking events": 4.0, "Orders": 3.0, "Shipments": 1.5}.get(version.api.name, 1.0)
    return Source(
        version.id,
        version.gateway_path or "",
        CALLS[version.api.name],
        clients or ("",),
        kind,
        weight,
        _us(version.deprecated_at),
        _us(version.retired_at or version.blocked_at),
    )


def _us(at: datetime | None) -> int:
    return int(at.timestamp() * 1_000_000) if at else 0


def _flush(block: list[Row]) -> None:
    numbered = [(((row[0] - EPOCH_US) << SEQUENCE_BITS) | (i & 4095), *row[1:]) for i, row in enumerate(block)]
    with runtime().logs.writing() as connection:
        insert_rows(connection, numbered)
        rollups.add(connection, block)


def records(count: int, sources: list[Source], node_ids: list[int], seed: int = 7) -> Iterator[Row]:
    """The same ones for the same seed, apart from the time they end at."""
    dice = random.Random(seed)  # noqa: S311 - a believable world, no secret
    end = int(now().timestamp() * 1_000_000)
    start = end - DAYS * 86_400_000_000
    step = 0
    bad = end - 7 * 3_600_000_000  # some hours ago, for an hour and a half
    for at in _moments(count, start, end, dice):
        if at >= step:
            step = at + STEP_US
            shares = {s.version_id: s.shares(at) for s in sources}
            weights = [s.weight * sum(shares[s.version_id]) for s in sources]
        source = dice.choices(sources, weights)[0]
        client = dice.choices(source.clients, shares[source.version_id])[0]
        trouble = source.path.startswith("/shipments/v3") and bad < at < bad + 5_400_000_000
        yield _record(at, source, client, dice, node_ids, trouble)


def _moments(count: int, start: int, end: int, dice: random.Random) -> Iterator[int]:
    """In order: more by day than by night, fewer at weekends."""
    hours = list(range(DAYS * 24))
    weights = []
    for h in hours:
        second = start / 1e6 + h * 3600
        day = 0.35 + max(0.0, math.sin((second / 3600 % 24 - 6) / 24 * 2 * math.pi)) * 1.3
        weights.append(day * (0.55 if int(second // 86400 + 4) % 7 in (0, 6) else 1.0))
    width, done = 3_600_000_000, 0
    for h, until in zip(hours, accumulate(weights), strict=True):
        share = round(count * until / sum(weights)) - done
        done += share
        for offset in sorted(dice.randrange(width) for _ in range(share)):
            yield min(start + h * width + offset, end)


def _record(at: int, source: Source, client: str, dice: random.Random, node_ids: list[int], trouble: bool) -> Row:
    call = dice.choices(source.calls, [c.share for c in source.calls])[0]
    spent = int(dice.lognormvariate(math.log(call.ms * 1000), 0.5))
    status, reason, backend = GOOD.get(call.method, 200), "via_upstream", spent - dice.randrange(300, 900)
    chance = dice.random()
    if trouble and chance < 0.3:
        status, reason, spent = (
            503,
            "upstream_reset_before_response_started{connection_termination}",
            5_000_000 + dice.randrange(90_000),
        )
        backend = spent - 4000
    elif chance < call.failing:
        status, reason = 500, "via_upstream"
    elif chance < call.failing + 0.018 and source.credential:
        status, reason = dice.choices(REFUSALS, (6, 3, 2, 1))[0]
        spent, backend, client = dice.randrange(180, 900), -1, client if status == 403 else ""
    elif chance < call.failing + 0.035 and "{" in call.path:
        status = 404
    path = source.path + PARAMETER.sub(str(dice.randrange(1001, 9999)), call.path)
    sent = dice.randrange(200, 900) if call.method == "POST" else 0
    return (
        at, dice.choice(node_ids), source.version_id, client, source.credential if client else "",
        f"{dice.getrandbits(64):016x}" if client else "", call.method, path, status, spent, max(backend, 200) if backend >= 0 else -1,
        sent, dice.randrange(180, 9000), str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        f"203.0.113.{dice.randrange(1, 255)}", dice.choice(AGENTS), reason,
        f"{dice.getrandbits(128):032x}" if dice.random() < 0.5 else "", call.path, "",
    )  # fmt: skip
