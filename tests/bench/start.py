"""`gatewright up` in a fresh home: how soon the console answers, and how much memory all of it takes when idle."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from . import proc
from .options import CHECKOUT, Options
from .report import Report
from .world import GATEWAY_PORT, installed

SETTLE_S = 10
WITHIN_S = 60
MOST_MB, MOST_S = 400, 10


def run(options: Options) -> Report:
    report = Report("Start: `gatewright up` in a fresh home, then idle")
    with installed(CHECKOUT) as where:
        env = where.env | {"GATEWRIGHT_SAMPLE_PORT": str(GATEWAY_PORT + 1)}
        began = time.monotonic()
        server = proc.start(where.command("up"), port=where.port, env=env, cwd=CHECKOUT)
        try:
            console_s = _answers(f"{where.url}/readyz", began)
            gateway_s = _answers(f"http://127.0.0.1:{GATEWAY_PORT}/__gatewright/health", began)
            time.sleep(SETTLE_S)
            family = proc.descendants(server.pid)
            report.rows = [{"process": _name(pid), "pss MB": proc.pss_mb([pid])} for pid in family]
            total = proc.pss_mb(family)
        finally:
            proc.stop(server)
    report.rows.append({"process": "all", "pss MB": total})
    report.notes.append(f"the gateway answers after {gateway_s:.1f} s")
    report.bar("seconds until the console answers", console_s, at_most=MOST_S)
    report.bar("MB of all processes, idle", total, at_most=MOST_MB)
    return report


def _answers(url: str, began: float) -> float:
    while time.monotonic() < began + WITHIN_S:
        with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return time.monotonic() - began
        time.sleep(0.02)
    raise proc.Unready(f"{url} does not answer after {WITHIN_S} s")


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:5]
    return f"{pid} " + " ".join(word.decode().rsplit("/", 1)[-1] for word in words if word)
