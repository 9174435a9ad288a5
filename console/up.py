"""`gatewright up`: the console, one gateway node and a sample backend, as one thing that starts and stops together.

This process stays small: it prepares in a child, starts the others, and watches them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from .config import Config
from .errors import Refused

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 8.0


class Processes:
    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, env: dict[str, str]) -> None:
        # each in a group of its own: Ctrl-C reaches this process only, which stops them in order
        self.running[name] = subprocess.Popen([sys.executable, "-m", *command], env=env, start_new_session=True)

    def ended(self) -> str | None:
        return next((name for name, process in self.running.items() if process.poll() is not None), None)

    def stop(self) -> None:
        """The node first, so that its last records are still taken."""
        for name in ("node", "console", "sample"):
            process = self.running.get(name)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def up(config: Config) -> int:
    started = time.monotonic()
    _refuse_taken_ports(config)
    env = dict(os.environ)
    sample = f"127.0.0.1:{config.sample_port}"
    if config.sample_port:
        env["GATEWRIGHT_FETCH_ALLOW"] = ",".join([*config.fetch_allow, sample])
    say("Preparing the databases and keys")
    prepared = _prepare(env)
    processes = Processes()
    stopped = _stop_on_signals()
    try:
        say("Starting the console")
        processes.start("console", "console", "serve", env=env)
        if config.sample_port:
            processes.start("sample", "console.sample", str(config.sample_port), env=env)
        _wait(
            processes,
            stopped,
            lambda: _answers(f"http{'s' if config.tls_cert else ''}://127.0.0.1:{config.port}/readyz"),
        )
        say(f"The console answers after {time.monotonic() - started:.1f} s. Starting the gateway node")
        processes.start("node", "console", "node", "run", env=env)
        _wait(
            processes,
            stopped,
            lambda: _answers(
                f"http{'s' if config.gateway_tls_cert else ''}://{_loopback(config)}:{config.gateway_port}/__gatewright/health"
            ),
        )
        if not stopped():
            _announce(config, prepared.get("setup_url", ""), sample)
        while not stopped() and not processes.ended():
            time.sleep(0.2)
        if not stopped():
            say(f"The {processes.ended()} ended by itself, so everything stops. Its last words are above.")
            return 1
        say("Stopping")
        return 0
    finally:
        processes.stop()


def _prepare(env: dict[str, str]) -> dict[str, str]:
    done = subprocess.run([sys.executable, "-m", "console", "prepare"], env=env, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Refused("The installation could not be prepared; the reason is above.")
    return dict(json.loads(done.stdout))


def _stop_on_signals() -> Callable[[], bool]:
    seen: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: seen.append(n))
    return lambda: bool(seen)


def _wait(processes: Processes, stopped: Callable[[], bool], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not stopped() and not ready():
        if name := processes.ended():
            raise Refused(f"The {name} ended while it started. Its reason is above.")
        if time.monotonic() > deadline:
            raise Refused(f"It did not get ready within {READY_WITHIN_S:.0f} seconds.")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    import ssl

    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323 - our own, on loopback
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _loopback(config: Config) -> str:
    return "127.0.0.1" if config.gateway_host in ("0.0.0.0", "::") else config.gateway_host  # noqa: S104


def _refuse_taken_ports(config: Config) -> None:
    wanted = [("port", config.host, config.port), ("gateway_port", config.gateway_host, config.gateway_port)]
    if config.sample_port:
        wanted.append(("sample_port", "127.0.0.1", config.sample_port))
    for name, host, port in wanted:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                raise Refused(
                    f"Port {port} is taken. Is Gatewright running already? Else choose another: GATEWRIGHT_{name.upper()}=..."
                ) from None


def _announce(config: Config, setup_url: str, sample: str) -> None:
    print(f"\n  Console   {config.public_url}\n  Gateway   {config.gateway_url}")
    if config.sample_port:
        print(f"  Sample    http://{sample}/openapi.yaml  (an orders API to publish)")
    if setup_url:
        print(f"\n  Create the first admin (the link works once):\n  {setup_url}")
    print("\n  Ctrl-C stops all of it.\n", flush=True)


def say(text: str) -> None:
    print(f"gatewright: {text}", flush=True)
