"""The agent beside one Envoy: fetches the bundle, has Envoy check it, applies it, says what came of it.

It uses the standard library only and keeps its last good bundle on disk: so a node starts and serves while the console
is down. A bundle that Envoy refuses is reported with Envoy's own words, and the one before it stays in force.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .envoy import FILES, Place, Rendered, render
from .envoy.base import SYSTEM_CAS, write
from .envoy_program import UnixConnection, envoy_binary, envoy_version, envoys_words, last_lines
from .served import COUNTER, Served, counter_in

HOLD_S = 20
STARTS_WITHIN_S = 10.0
APPLIES_WITHIN_S = 10.0
DRAIN_S = 0.8


class Rejected(Exception):
    """Envoy does not take this configuration; the text is Envoy's."""


@dataclass(frozen=True)
class NodeFiles:
    """What a node keeps in its directory."""

    home: Path

    @property
    def identity(self) -> Path:
        return self.home / "node.json"

    @property
    def bundle(self) -> Path:
        return self.home / "bundle.json"

    @property
    def xds(self) -> Path:
        return self.home / "xds"

    def save_identity(self, *, name: str, console: str, credential: str) -> None:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self.identity, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as out:
            json.dump({"name": name, "console": console, "credential": credential}, out)


class Console:
    """The three things an agent says to the console."""

    def __init__(self, url: str, credential: str = "", ca_file: str | None = None) -> None:
        self.url, self.credential = url.rstrip("/"), credential
        self.context = ssl.create_default_context(cafile=ca_file) if self.url.startswith("https:") else None

    def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 10) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.credential}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - the configured console
        try:
            with urllib.request.urlopen(request, timeout=timeout_s, context=self.context) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def enrol(self, code: str, software: str) -> dict[str, Any]:
        status, body = self.ask("POST", "/gateway/enrol", {"code": code, "software": software})
        said = json.loads(body)
        if status != 200:
            raise Rejected(said.get("detail", f"the console answered {status}"))
        return dict(said)


class Agent:
    def __init__(
        self, files: NodeFiles, host: str, port: int, ca_file: str | None = None, tls: tuple[str, str] = ("", "")
    ) -> None:
        me = json.loads(files.identity.read_text())
        self.files = files
        self.console = Console(me["console"], me["credential"], ca_file)
        self.sockets = Path(tempfile.mkdtemp(prefix="gatewright-"))  # short: a socket's path has 107 characters at most
        self.place = Place(
            me["name"],
            host,
            port,
            me["console"],
            me["credential"],
            files.xds,
            self.sockets / "admin",
            ca_file or SYSTEM_CAS,
            *tls,
        )
        self.binary = envoy_binary()
        self.software = envoy_version(self.binary)
        self.envoy: subprocess.Popen[bytes] | None = None
        self.generation = -1
        self.stopping = threading.Event()
        self.served = Served(self._count_served, self._tell_served)

    def run(self) -> int:
        """Until told to stop (SIGTERM, SIGINT)."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self.stop())
        self._start_from_disk()
        threading.Thread(target=self.served.keep_telling, args=(self.stopping,), name="served", daemon=True).start()
        while not self.stopping.is_set():
            try:
                self._keep_envoy_alive()
                self._poll()
            except (OSError, http.client.HTTPException, ValueError, Rejected) as problem:
                say(f"the console cannot be reached ({problem}); serving what is there")
                self.stopping.wait(1)
        self._stop_envoy()
        shutil.rmtree(self.sockets, ignore_errors=True)
        return 0

    def stop(self) -> None:
        self.stopping.set()
        # the long poll is in the main thread: leave it by an exception
        raise KeyboardInterrupt

    def _start_from_disk(self) -> None:
        if self.files.bundle.exists():
            bundle = json.loads(self.files.bundle.read_text())
            try:
                self._apply(bundle)
                say(f"serving generation {bundle['generation']} from disk")
            except Rejected as refused:
                say(f"the bundle on disk is not usable: {refused}")

    def _poll(self) -> None:
        path = f"/gateway/bundle?since={self.generation}&wait={HOLD_S}"
        status, body = self.console.ask("GET", path, timeout_s=HOLD_S + 10)
        if status == 200:
            self._take(json.loads(body))
        elif status != 304:
            say(f"the console answered {status} to the request for the bundle: {body[:200].decode(errors='replace')}")
            self.stopping.wait(2)

    def _take(self, bundle: dict[str, Any]) -> None:
        number, error = int(bundle["generation"]), ""
        try:
            self._apply(bundle)
            write(self.files.bundle, bundle)
            say(f"applied generation {number}")
        except Rejected as refused:
            error = str(refused)
            say(f"rejected generation {number}: {error}")
        self.generation = number  # asked for no more, whether taken or not
        report = {"generation": number, "accepted": not error, "error": error, "software": self.software}
        self.console.ask("POST", "/gateway/report", report)

    def _apply(self, bundle: dict[str, Any]) -> None:
        try:
            rendered = render(bundle, self.place)
        except (ValueError, KeyError, TypeError) as problem:
            raise Rejected(f"This node cannot read it: {problem!r}") from None
        self._validate(rendered)
        self.files.xds.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(self.files.home / "envoy.json", rendered.bootstrap)
        for name in FILES:
            write(self.files.xds / name, rendered.files[name])
        if self.envoy is None:
            self._start_envoy()
        self._wait_until_applied(str(bundle["generation"]))

    def _validate(self, rendered: Rendered) -> None:
        folded = self.files.home / "folded.json"
        write(folded, rendered.folded)
        command = [
            self.binary,
            "--mode",
            "validate",
            "-c",
            str(folded),
            "--reject-unknown-dynamic-fields",
            "-l",
            "error",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        folded.unlink()
        if done.returncode != 0:
            raise Rejected(envoys_words(done.stderr + done.stdout))

    def _start_envoy(self) -> None:
        log = open(self.files.home / "envoy.log", "ab")  # noqa: SIM115 - Envoy keeps it
        self.envoy = subprocess.Popen(
            [
                self.binary, "-c", str(self.files.home / "envoy.json"), "--disable-hot-restart", "--concurrency", "2",
                "--reject-unknown-dynamic-fields", "--drain-time-s", "30", "-l", "warning",
            ],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            if self.envoy.poll() is not None:
                self.envoy = None
                raise Rejected("Envoy did not start: " + envoys_words(last_lines(self.files.home / "envoy.log")))
            if self._admin("GET", "/ready")[0] == 200:
                return
            time.sleep(0.05)
        raise Rejected("Envoy did not become ready in time.")

    def _wait_until_applied(self, number: str) -> None:
        """Envoy says which version of each file is in force; a refused one never becomes that."""
        wanted = ("lds.version_text", "cds.version_text", "rds.gatewright.version_text")
        deadline = time.monotonic() + APPLIES_WITHIN_S
        while time.monotonic() < deadline:
            text = self._admin("GET", "/stats?filter=version_text$")[1].decode(errors="replace")
            applied = [line for line in text.splitlines() if line.split(":")[0].endswith(wanted)]
            if sum(f'"{number}"' in line for line in applied) == len(wanted):
                return
            time.sleep(0.05)
        raise Rejected("Envoy did not apply it: " + envoys_words(last_lines(self.files.home / "envoy.log")))

    def _count_served(self) -> int | None:
        status, said = self._admin("GET", f"/stats?filter=^{COUNTER}$")
        return counter_in(said.decode(errors="replace")) if status == 200 else None

    def _tell_served(self, minutes: dict[int, int]) -> bool:
        try:
            return self.console.ask("POST", "/ingest/served", {"minutes": minutes})[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _keep_envoy_alive(self) -> None:
        if self.envoy is not None and self.envoy.poll() is not None:
            say(f"Envoy ended with {self.envoy.returncode}; starting it again")
            self.stopping.wait(1)
            self._start_envoy()

    def _admin(self, method: str, path: str) -> tuple[int, bytes]:
        connection = UnixConnection(self.place.admin_socket)
        try:
            connection.request(method, path, headers={"Host": "admin"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def _stop_envoy(self) -> None:
        if self.envoy is None or self.envoy.poll() is not None:
            return
        self._admin("POST", "/drain_listeners")  # SIGTERM alone would lose the records that wait to be sent
        time.sleep(DRAIN_S)
        self.served.say_goodbye()
        self.envoy.terminate()
        try:
            self.envoy.wait(5)
        except subprocess.TimeoutExpired:
            self.envoy.kill()


def say(text: str) -> None:
    print(f"node: {text}", flush=True)


def run(home: Path, host: str, port: int, ca_file: str | None = None, tls: tuple[str, str] = ("", "")) -> int:
    """``tls``: files of a certificate chain and its private key; empty: plain HTTP."""
    agent = Agent(NodeFiles(home), host, port, ca_file, tls)
    try:
        return agent.run()
    except KeyboardInterrupt:
        agent.stopping.set()
        agent._stop_envoy()
        shutil.rmtree(agent.sockets, ignore_errors=True)
        return 0
