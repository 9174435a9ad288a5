"""Programs that a fresh machine may lack: a test that needs one says which, and how to install it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).parent.parent
NO_SKIP = os.environ.get("GATEWRIGHT_TEST_NO_SKIP") == "1"  # set where everything is installed: a skip is a failure


def need(program: str, install: str) -> str:
    """The program's path; skips the test when it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")  # where a user's PATH does not look
    if found is None:
        lack(f"needs {program}: {install}")
    return found


def lack(message: str) -> NoReturn:
    if NO_SKIP:
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Installation:
    """A running `gatewright up`."""

    console: str
    gateway: str
    sample: str
    home: Path
    log: Path
    pid: int

    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def installation(
    home: Path, command: tuple[str, ...] = (sys.executable, "-m", "console"), **settings: str
) -> Iterator[Installation]:
    """Start one of its own on free ports, wait until it says it is ready, stop it at the end."""
    ports = {name: free_port() for name in ("port", "gateway_port", "sample_port")}
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")}
    env |= {f"GATEWRIGHT_{k.upper()}": str(v) for k, v in ports.items()} | {"GATEWRIGHT_HOME": str(home)}
    env |= {"GATEWRIGHT_LOG_LEVEL": "warning", "PYTHONPATH": str(PROJECT)} | settings
    log = home.parent / f"{home.name}.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [*command, "up"], stdout=out, stderr=out, env=env, cwd=home.parent, start_new_session=True
        )
    me = Installation(
        f"http://127.0.0.1:{ports['port']}",
        f"http://127.0.0.1:{ports['gateway_port']}",
        f"http://127.0.0.1:{ports['sample_port']}",
        home,
        log,
        process.pid,
    )
    try:
        wait_until(lambda: "Ctrl-C stops" in me.said() or process.poll() is not None, 60)
        assert process.poll() is None, me.said()
        yield me
    finally:
        process.terminate()
        assert process.wait(30) is not None


def wait_until(condition, seconds: float, every: float = 0.05) -> float:
    """Seconds it took until the condition held; fails when it did not."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(every)
    return time.monotonic() - started


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]  # lower case
    body: str


def call(url: str, method: str = "GET", headers: dict[str, str] | None = None, data: bytes | None = None) -> Reply:
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode())
