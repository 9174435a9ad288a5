"""Introspection of a JWT, signed and encrypted, against npm oidc-provider's of an opaque token (it knows no other)."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from urllib.parse import urlencode

from . import load, proc
from .options import Options, needs
from .report import Report, median, ratio, spread
from .tokens import PEER, PEER_WARM_UP_S, WARM_UP_S, Contestant, fetch_token, install_peer, peer_request, token_request
from .world import CONSOLE_PORT, PEER_PORT, installed, make_world

BAR = 1.0
KINDS = ("signed", "encrypted")


def run(options: Options) -> Report:
    with ExitStack() as servers:
        contestants = {"peer, opaque": _peer(servers)} | _ours(servers, options)
        for who, contestant in contestants.items():
            load.press(contestant.request, contestant.pid, PEER_WARM_UP_S if who.startswith("peer") else WARM_UP_S)
        results: dict[str, list[load.Result]] = {who: [] for who in contestants}
        for _ in range(options.rounds):
            for who, contestant in contestants.items():
                results[who].append(load.press(contestant.request, contestant.pid, options.seconds))
    return _report(results)


def _asking(url: str, token_request: load.Request) -> load.Request:
    """The same client asks again and again about one token of its own."""
    body = urlencode({"token": fetch_token(token_request)})
    return load.Request("POST", url, token_request.headers, body)


def _ours(servers: ExitStack, options: Options) -> dict[str, Contestant]:
    where = servers.enter_context(installed(options.checkouts["ours"], CONSOLE_PORT))
    world = make_world(where)
    pid = servers.enter_context(
        proc.serving(where.command("serve"), port=CONSOLE_PORT, env=where.env, cwd=where.checkout)
    )
    url = where.url + "/oauth/introspect"
    return {kind: Contestant(_asking(url, token_request(where, world, kind)), pid) for kind in KINDS}


def _peer(servers: ExitStack) -> Contestant:
    node, secret = needs("node"), secrets.token_hex(32)
    needs("wrk")
    install_peer()
    port = PEER_PORT + 2
    said = {"PORT": str(port), "CLIENT_SECRET": secret, "TOKEN": "opaque", "NODE_ENV": "production"}
    pid = servers.enter_context(proc.serving([node, "peer.mjs"], port=port, env=os.environ | said, cwd=PEER))
    return Contestant(_asking(f"http://127.0.0.1:{port}/token/introspection", peer_request(port, secret)), pid)


def _report(results: dict[str, list[load.Result]]) -> Report:
    report = Report(
        "Introspection: requests per CPU-second of the server; medians of the rounds, and of the ratios in each"
    )
    rates = {who: [r.req_per_cpu_s for r in found] for who, found in results.items()}
    for who, found in results.items():
        report.rows.append(
            {
                "server, token": who,
                "req/cpu-s": median(rates[who]),
                "rounds": spread(rates[who]),
                "to peer": ratio(rates[who], rates["peer, opaque"]),
                "req/s": median(r.req_per_s for r in found),
                "p99 ms": median(r.p99_ms for r in found),
            }
        )
    for kind in KINDS:
        report.bar(
            f"{kind} JWT to oidc-provider's opaque token", ratio(rates[kind], rates["peer, opaque"]), at_least=BAR
        )
    return report
