"""Put load on an HTTP endpoint with wrk, and set it against the CPU time that its server used."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import proc
from .options import needs

CONNECTIONS = 16
GRACE_S = 15  # wrk ends by itself; this is for a wrk that hangs

# Without a `request` or `response` function, which wrk would run for every request on the cores it shares.
# `done` reports on stderr: stdout is wrk's own text. Latencies come in microseconds.
SCRIPT = """
wrk.method = {method}
wrk.body = {body}
{headers}
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format(
    '{{"requests":%d,"errors":%d,"micros":%d,"p50":%d,"p99":%d}}\\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


class LoadError(RuntimeError):
    """The load could not be made, or was refused, so there is no result."""


@dataclass(frozen=True)
class Request:
    """One request, sent again and again."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True)
class Result:
    requests: int
    req_per_s: float
    req_per_cpu_s: float
    p50_ms: float
    p99_ms: float


def press(request: Request, server: int, seconds: int, connections: int = CONNECTIONS) -> Result:
    """Load for some seconds. A refused request is often a faster one, so a single error makes it no result."""
    before = proc.cpu_seconds(server)
    report = _wrk(request, seconds, connections)
    cpu_s = proc.cpu_seconds(server) - before
    if report["errors"] or not report["requests"] or not cpu_s:
        raise LoadError(f"{request.url}: {report}, {cpu_s} CPU seconds")
    n = report["requests"]
    return Result(n, n / report["micros"] * 1e6, n / cpu_s, report["p50"] / 1e3, report["p99"] / 1e3)


def basic(client_id: str, secret: str) -> str:
    """The Authorization header of a client whose id and secret need no form-encoding."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def _wrk(request: Request, seconds: int, connections: int) -> dict[str, Any]:
    # a file of our own (mode 0600), because a secret on the command line shows in ps
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(_script(request))
        file.flush()
        argv = [needs("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name, request.url]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + GRACE_S, check=False)
    try:
        report: dict[str, Any] = json.loads(ended.stderr)
    except ValueError:
        raise LoadError(f"wrk: {(ended.stderr or ended.stdout).strip()}") from None
    return report


def _script(request: Request) -> str:
    headers = (f"wrk.headers[{_quoted(name)}] = {_quoted(value)}" for name, value in request.headers.items())
    return SCRIPT.format(method=_quoted(request.method), body=_quoted(request.body), headers="\n".join(headers))


def _quoted(text: str) -> str:
    # every byte as \ddd: no value can end the Lua string early
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'
