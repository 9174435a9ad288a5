"""The token endpoint, signed and encrypted, against npm oidc-provider, which does the same work in one process."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from . import load, proc
from .options import Options, needs
from .report import Report, median, ratio, spread
from .world import CONSOLE_PORT, OTHER_PORT, PEER_PORT, Installation, World, installed, make_world

PEER = Path(__file__).parent / "peer"
PEER_RESOURCE = "https://api.example.com"
PARTS = {"signed": 3, "encrypted": 5}  # of a compact token
BARS = {"signed": 1.3, "encrypted": 1.0}
PEER_WARM_UP_S, WARM_UP_S = 8, 2  # V8 gives half of its speed in the first seconds
Key = tuple[str, str]  # who, kind of token


@dataclass(frozen=True)
class Contestant:
    request: load.Request
    pid: int


def run(options: Options) -> Report:
    with ExitStack() as servers:
        contestants = _start_peers(servers) | _start_consoles(servers, options)
        for (who, kind), contestant in contestants.items():
            _check(contestant.request, PARTS[kind])
            load.press(contestant.request, contestant.pid, PEER_WARM_UP_S if who == "peer" else WARM_UP_S)
        results: dict[Key, list[load.Result]] = {key: [] for key in contestants}
        for _ in range(options.rounds):
            for key, contestant in contestants.items():
                results[key].append(load.press(contestant.request, contestant.pid, options.seconds))
    return _report(results)


def _report(results: dict[Key, list[load.Result]]) -> Report:
    report = Report("Tokens: requests per CPU-second of the server; medians of the rounds, and of the ratios in each")
    rates = {key: [r.req_per_cpu_s for r in found] for key, found in results.items()}
    for (who, kind), found in results.items():
        report.rows.append(
            {
                "server": who,
                "token": kind,
                "req/cpu-s": median(rates[who, kind]),
                "rounds": spread(rates[who, kind]),
                "to peer": ratio(rates[who, kind], rates["peer", kind]),
                "req/s": median(r.req_per_s for r in found),
                "p50 ms": median(r.p50_ms for r in found),
                "p99 ms": median(r.p99_ms for r in found),
            }
        )
    for kind, aim in BARS.items():
        report.bar(f"{kind} tokens to oidc-provider", ratio(rates["ours", kind], rates["peer", kind]), at_least=aim)
        if ("other", kind) in rates:
            gain = ratio(rates["ours", kind], rates["other", kind])
            report.notes.append(f"{kind} tokens, this checkout to the other one: {gain:.2f}")
    return report


def _start_consoles(servers: ExitStack, options: Options) -> dict[Key, Contestant]:
    contestants = {}
    for (who, checkout), port in zip(options.checkouts.items(), (CONSOLE_PORT, OTHER_PORT), strict=False):
        where = servers.enter_context(installed(checkout, port))
        world = make_world(where)
        pid = servers.enter_context(proc.serving(where.command("serve"), port=port, env=where.env, cwd=checkout))
        for kind in PARTS:
            contestants[who, kind] = Contestant(token_request(where, world, kind), pid)
    return contestants


def token_request(where: Installation, world: World, kind: str) -> load.Request:
    return _request(where.url + "/oauth/token", world.client_id, world.secret, "orders:read", world.audiences[kind])


def _request(url: str, client_id: str, secret: str, scope: str, resource: str) -> load.Request:
    headers = {"Authorization": load.basic(client_id, secret), "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"grant_type": "client_credentials", "scope": scope, "resource": resource})
    return load.Request("POST", url, headers, body)


def _start_peers(servers: ExitStack) -> dict[Key, Contestant]:
    node, secret = needs("node"), secrets.token_hex(32)
    needs("wrk")
    install_peer()
    contestants = {}
    for port, kind, name in ((PEER_PORT, "signed", "es256"), (PEER_PORT + 1, "encrypted", "nested")):
        said = {"PORT": str(port), "CLIENT_SECRET": secret, "TOKEN": name, "NODE_ENV": "production"}
        pid = servers.enter_context(proc.serving([node, "peer.mjs"], port=port, env=os.environ | said, cwd=PEER))
        contestants["peer", kind] = Contestant(peer_request(port, secret), pid)
    return contestants


def peer_request(port: int, secret: str) -> load.Request:
    return _request(f"http://127.0.0.1:{port}/token", "bench", secret, "read", PEER_RESOURCE)


def install_peer() -> None:
    if not (PEER / "node_modules" / "oidc-provider").exists():
        print("tokens: npm gets oidc-provider (once)", flush=True)
        subprocess.run([needs("npm"), "ci", "--silent"], cwd=PEER, check=True)


def _check(request: load.Request, parts: int) -> None:
    """wrk takes a redirect for a success, so one answer is looked at."""
    if fetch_token(request).count(".") + 1 != parts:
        raise load.LoadError(f"{request.url} gave a token of another kind")


def fetch_token(request: load.Request) -> str:
    asked = urllib.request.Request(request.url, request.body.encode(), dict(request.headers))
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return str(json.load(answer)["access_token"])
