"""The verifier against `jwt.decode`, which checks less: one process, one thread, CPU time, taking turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import jwt

from .options import Options
from .report import Report, median, ratio, spread
from .world import installed, make_world

TOKENS = 4000  # different ones: the cache must not help where it is not asked
CACHED_CALLS = 200_000
BAR, CACHED_US = 1.3, 2.0


def run(options: Options) -> Report:
    with ExitStack() as stack:
        where = stack.enter_context(installed(options.checkouts["ours"]))
        world = make_world(where)
        stack.enter_context(_application(where.env))
        return _compare(world.client_id, world.audiences["signed"], options.rounds)


def _application(env: dict[str, str]) -> Any:
    from console import create_app
    from console.config import load

    ours = {k: v for k, v in env.items() if k.startswith("GATEWRIGHT_")}
    return create_app(load(ours)).app_context()


def _compare(client_id: str, audience: str, rounds: int) -> Report:
    from console.runtime import runtime
    from console.tokens.issue import issue_token
    from console.tokens.keys import verifier
    from console.tokens.verify import verify

    common = {"client_id": client_id, "audience": audience, "scope": "orders:read", "lifetime_s": 3600}
    issuer = runtime().config.public_url

    def plain(text: str) -> None:
        # what a careful caller of the library writes: the key by kid, then the claims it can check
        key = verifier(jwt.get_unverified_header(text)["kid"])
        assert key is not None
        _decode(text, key.key, audience, issuer)

    def alone(text: str) -> None:
        _decode(text, only.key, audience, issuer)

    only = verifier(jwt.get_unverified_header(issue_token(**common).text)["kid"])
    assert only is not None
    ways: dict[str, Callable[[str], Any]] = {"jwt.decode": alone, "header, then jwt.decode": plain, "ours": verify}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cached: list[float] = []
    for _ in range(rounds):
        tokens = [issue_token(**common).text for _ in range(TOKENS)]
        for name, way in ways.items():
            rates[name].append(TOKENS / _cpu_s(way, tokens))
        cached.append(_cpu_s(verify, tokens[:1] * CACHED_CALLS) / CACHED_CALLS * 1e6)
    return _report(rates, cached)


def _decode(text: str, key: Any, audience: str, issuer: str) -> None:
    jwt.decode(text, key, algorithms=["ES256"], audience=audience, issuer=issuer)


def _cpu_s(way: Callable[[str], Any], tokens: list[str]) -> float:
    started = time.process_time()
    for text in tokens:
        way(text)
    return time.process_time() - started


def _report(rates: dict[str, list[float]], cached: list[float]) -> Report:
    report = Report("Verifier: ES256 tokens per CPU-second, medians of the rounds")
    for name, found in rates.items():
        report.rows.append(
            {
                "who": name,
                "tokens/cpu-s": median(found),
                "rounds": spread(found),
                "to jwt.decode": ratio(found, rates["jwt.decode"]),
            }
        )
    report.rows.append(
        {
            "who": "ours, met before",
            "tokens/cpu-s": 1e6 / median(cached),
            "rounds": f"{median(cached):.2f} us",
            "to jwt.decode": "-",
        }
    )
    report.bar("the verifier to jwt.decode", ratio(rates["ours"], rates["jwt.decode"]), at_least=BAR)
    report.bar("microseconds for a token that was met before", median(cached), at_most=CACHED_US)
    return report
