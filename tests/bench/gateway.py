"""Calls through a real gateway node, for each kind of credential, in proportion to an API that asks for none.

Each call leaves a record, which the node sends to the console on the same cores at the same time. So the records are
counted, too, against Envoy's own count of the calls.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.gateway.envoy.base import HTTP, T
from console.gateway.envoy_program import UnixConnection, envoy_binary

from . import load, proc
from .options import CHECKOUT, Options, needs
from .records import segments
from .report import Report, median, ratio
from .tokens import fetch_token, token_request
from .world import BACKEND_PORT, GATEWAY_PORT, KINDS, PATH, Installation, World, installed, make_world

GATEWAY = f"http://127.0.0.1:{GATEWAY_PORT}"
BY_ITSELF = "http.gatewright.rq_direct_response"  # asked by `up` whether it is well; that is no traffic and not kept
CALLS = "http.gatewright.downstream_rq_total"  # those that the caller gave up are in it, and are recorded, too
WARM_UP_S = 1
ARRIVE_WITHIN_S = 120
NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{{"orders":[]}}'; }} }}
}}
"""


@dataclass(frozen=True)
class Round:
    result: load.Result
    arrived_after_s: float  # the last record of the round, after the last call


def run(options: Options) -> Report:
    needs("wrk")
    rounds: dict[str, list[Round]] = {kind: [] for kind in KINDS}
    with installed(CHECKOUT) as where, _backend(where.home):
        world = make_world(where)
        with proc.serving(where.command("up"), port=GATEWAY_PORT, env=where.env, cwd=CHECKOUT) as pid:
            calls = _calls(where, world)
            for call in calls.values():
                _wait_until_served(call)
                load.press(call, pid, WARM_UP_S)
            for _ in range(options.rounds):
                for kind, call in calls.items():
                    _wait_until_arrived(where)
                    result = load.press(call, pid, options.seconds)
                    rounds[kind].append(Round(result, _wait_until_arrived(where)))
            return _report(rounds, *_counts(where))


def _report(rounds: dict[str, list[Round]], calls: int, records: int, different: int) -> Report:
    report = Report("Gateway: calls by credential, through Envoy, with every call's record on its way to the console")
    rates = {kind: [r.result.req_per_s for r in found] for kind, found in rounds.items()}
    for kind, found in rounds.items():
        report.rows.append(
            {
                "credential": kind,
                "req/s": median(rates[kind]),
                "to open": ratio(rates[kind], rates["open"]),
                "p50 ms": median(r.result.p50_ms for r in found),
                "p99 ms": median(r.result.p99_ms for r in found),
                "last record after s": median(r.arrived_after_s for r in found),
            }
        )
    report.notes.append(f"{calls:,} calls by Envoy's count, {records:,} records, {different:,} different request ids")
    if not calls == records == different:
        raise AssertionError(report.notes[-1])
    return report


def _calls(where: Installation, world: World) -> dict[str, load.Request]:
    tokens = {kind: fetch_token(token_request(where, world, kind)) for kind in ("signed", "encrypted")}
    headers = {kind: {"Authorization": f"Bearer {token}"} for kind, token in tokens.items()}
    headers |= {"open": {}, "key": {"X-Api-Key": world.key}}
    return {kind: load.Request("GET", GATEWAY + PATH.format(kind=kind) + "/orders", headers[kind]) for kind in KINDS}


def _wait_until_served(call: load.Request) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(call.url, headers=dict(call.headers)), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _wait_until_arrived(where: Installation) -> float:
    """Every call has its record; how long that took. A lost one makes it wait until it gives up."""
    began = time.monotonic()
    while True:
        calls, records, _ = _counts(where)
        if records >= calls:
            return time.monotonic() - began
        if time.monotonic() > began + ARRIVE_WITHIN_S:
            raise AssertionError(f"{calls:,} calls, but only {records:,} records after {ARRIVE_WITHIN_S} s")
        time.sleep(0.1)


def _counts(where: Installation) -> tuple[int, int, int]:
    """Calls by Envoy's count, records, and different request ids among these."""
    calls = _envoys_count(where)
    with closing(sqlite3.connect(f"file:{where.home}/logs.db?mode=ro", uri=True)) as logs:
        ids = [
            request_id for name in segments(logs) for (request_id,) in logs.execute(f"SELECT request_id FROM {name}")
        ]
    return calls, len(ids), len(set(ids))


def _envoys_count(where: Installation) -> int:
    admin = json.loads((where.home / "node" / "envoy.json").read_text())["admin"]["address"]["pipe"]["path"]
    with closing(UnixConnection(Path(admin))) as connection:
        connection.request("GET", f"/stats?filter=^({CALLS}|{BY_ITSELF})$", headers={"Host": "admin"})
        lines = connection.getresponse().read().decode().splitlines()
    counts = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
    return counts[CALLS] - counts[BY_ITSELF]


@contextmanager
def _backend(home: Path) -> Iterator[None]:
    """Something that answers faster than any gateway: nginx, or where there is none, Envoy without filters."""
    argv = _nginx(home) if shutil.which("nginx") else _bare_envoy(home)
    with proc.serving(argv, port=BACKEND_PORT, env={}):
        yield


def _nginx(home: Path) -> list[str]:
    config = home / "nginx.conf"
    config.write_text(NGINX.format(home=home, port=BACKEND_PORT))
    return [needs("nginx"), "-c", str(config)]


def _bare_envoy(home: Path) -> list[str]:
    answer = {"status": 200, "body": {"inline_string": '{"orders":[]}'}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    manager = {
        "@type": T + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "backend",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": HTTP + "router.v3.Router"}}],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": BACKEND_PORT}}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    config = home / "backend.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [{"address": address, "filter_chains": [chain]}]}}))
    return [envoy_binary(), "-c", str(config), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]
