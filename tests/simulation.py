"""Rotation in virtual time: the real actions change the keys, and verifiers that cache meet the tokens.

The verifiers are as slow to learn as they may be: none asks again because it met a key that it does not know, each keeps the
keys for ``max-age``, and between some of them and the console stands a cache that goes on answering with what it has for
the whole of ``stale-while-revalidate`` (RFC 5861).
"""

from __future__ import annotations

import bisect
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from console.credentials import rotation, signing
from console.credentials.models import KeyState, SigningKey
from console.db import now, unit_of_work
from console.tokens.keys import load

KeysById = dict[str, dict[str, Any]]
HOUR = 3600.0


@dataclass(frozen=True)
class Moment:
    """What is true from then on: the published keys, and who signs, by algorithm."""

    at: float  # seconds since the start
    published: KeysById
    signers: dict[str, tuple[str, Any]]
    states: Counter[tuple[str, KeyState]]


@dataclass
class History:
    """Everything the console did, in order."""

    started: datetime = field(default_factory=now)
    moments: list[Moment] = field(default_factory=list)
    rotations: int = 0
    private: dict[str, Any] = field(default_factory=dict)

    def live(self, every: timedelta, hours: float, pause_s: tuple[float, float], chance: random.Random) -> None:
        """The job that rotates what is due runs now and then."""
        at = self.moments[-1].at if self.moments else 0.0
        end = at + hours * HOUR
        while at < end:
            with unit_of_work():
                signing.rotate_due_signing_keys(every, at=self.started + timedelta(seconds=at))
            self._note(at, signing.published_keys())
            at += chance.uniform(*pause_s)

    def _note(self, at: float, keys: list[SigningKey]) -> None:
        before = self.moments[-1].signers if self.moments else {}
        signers = {k.alg: (k.kid, self._private(k)) for k in keys if k.state == KeyState.ACTIVE}
        self.rotations += sum(1 for alg in before if before[alg][0] != signers[alg][0])
        published = {str(k["kid"]): k for k in signing.jwks()["keys"]}
        self.moments.append(Moment(at, published, signers, Counter((k.alg, k.state) for k in keys)))

    def _private(self, key: SigningKey) -> Any:
        if key.kid not in self.private:
            self.private[key.kid] = load(key.alg, signing.open_private(key))
        return self.private[key.kid]

    def when(self, at: float) -> Moment:
        return self.moments[bisect.bisect_right(self.moments, at, key=lambda m: m.at) - 1]

    @property
    def end(self) -> float:
        return self.moments[-1].at


@dataclass(frozen=True)
class Token:
    kid: str
    alg: str
    issued: float
    expires: float
    text: bytes
    signature: bytes


def issued(history: History, many: int, until: float, chance: random.Random) -> Iterator[Token]:
    for number in range(many):
        at = chance.uniform(0, until)
        alg = chance.choice(sorted(history.moments[0].signers))
        kid, key = history.when(at).signers[alg]
        text = f"{number}".encode()
        lives = chance.choice((300.0, chance.uniform(60, rotation.LONGEST_TOKEN_S), rotation.LONGEST_TOKEN_S))
        yield Token(kid, alg, at, at + lives, text, jwt.get_algorithm_by_name(alg).sign(text, key))


class Cache:
    """Asks ``behind`` only when what it has is older than it may be."""

    def __init__(self, behind: Cache | History, stale_s: float = 0.0) -> None:
        self.behind, self.longest_s = behind, rotation.MAX_AGE_S + stale_s
        self.keys: KeysById = {}
        self.of = -1e9  # when the console gave it away: an answer that passes through caches says so (Age, RFC 9111)

    def get(self, at: float) -> tuple[KeysById, float]:
        if at - self.of > self.longest_s:
            self.keys, self.of = self._ask(at)
        return self.keys, self.of

    def _ask(self, at: float) -> tuple[KeysById, float]:
        return (self.behind.when(at).published, at) if isinstance(self.behind, History) else self.behind.get(at)


def verifiers(history: History) -> list[Cache]:
    """Six behind a cache that answers with what is stale for as long as it may, two that ask the console."""
    shared = [Cache(history, rotation.STALE_S) for _ in range(2)]
    return [Cache(edge) for edge in shared for _ in range(3)] + [Cache(history) for _ in range(2)]


def failures(history: History, tokens: list[Token], uses: int, chance: random.Random) -> tuple[int, Counter[str]]:
    """Every token is used at once, at its very end, and between; how often, and what went wrong."""
    caches = verifiers(history)
    moments = []
    for token in tokens:
        ends = token.expires + rotation.SKEW_S - 0.001
        times = [token.issued, token.issued + 1, ends, *(chance.uniform(token.issued, ends) for _ in range(uses))]
        moments += [(at, number, token) for number, at in enumerate(times)]
    found: Counter[str] = Counter()
    parsed: dict[str, Any] = {}
    for at, number, token in sorted(moments, key=lambda m: m[0]):
        keys, _ = chance.choice(caches).get(at)
        if token.kid not in keys:
            found["unknown kid"] += 1
        elif number == 0:  # the rest would say the same
            key = parsed.setdefault(token.kid, jwt.PyJWK(keys[token.kid]))
            found["refused"] += not key.Algorithm.verify(token.text, key.key, token.signature)
    return len(moments), +found
