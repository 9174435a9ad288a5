"""An Envoy by itself, that serves a bundle which a test wrote; and is given another while it runs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from programs import Reply, call, free_port, wait_until
from werkzeug.serving import make_server

from console.credentials.signing import jwks
from console.gateway.envoy import FILES, Place, render
from console.gateway.envoy.base import SYSTEM_CAS, write
from console.gateway.envoy_program import UnixConnection, envoy_binary
from console.runtime import runtime
from console.tokens.issue import issue_token


def a_version(number: int, state: str, **more: Any) -> dict[str, Any]:
    """An entry of a bundle, for /v<number>."""
    said = {"id": number, "name": f"v@{number}", "path": f"/v{number}", "state": state, "backend": "http://127.0.0.1:9"}
    said |= {"accepts": ["jws"], "audience": f"https://api/v{number}", "operations": [], "headers": []}
    return said | {"ended_clients": [], "detail": ""} | more


@dataclass
class Served:
    """``app`` signs the tokens."""

    app: Flask
    place: Place
    backend: str
    generation: int = 0
    revoked: list[str] = field(default_factory=list)

    def show(self, *versions: dict[str, Any]) -> None:
        """From now on these."""
        self.generation += 1
        with self.app.app_context():
            bundle = {"generation": self.generation, "issuer": runtime().config.public_url, "jwks": jwks()}
        shown = [v | ({"backend": self.backend} if v["state"] in ("open", "protected") else {}) for v in versions]
        rendered = render(bundle | {"revoked": self.revoked, "versions": shown}, self.place)
        self.place.directory.mkdir(exist_ok=True)
        write(self.place.directory / "boot.json", rendered.bootstrap)
        write(self.place.directory / "folded.json", rendered.folded)
        for name in FILES:
            write(self.place.directory / name, rendered.files[name])
        if self.generation > 1:
            wait_until(self._is_applied, 10)
            time.sleep(0.3)  # Envoy has it then, each of its workers a moment later

    def _is_applied(self) -> bool:
        wanted = ("lds.version_text", "cds.version_text", "rds.gatewright.version_text")
        lines = [
            line for line in self.admin("/stats?filter=version_text$").splitlines() if f'"{self.generation}"' in line
        ]
        return sum(line.split(":")[0].endswith(wanted) for line in lines) == len(wanted)

    def admin(self, path: str) -> str:
        connection = UnixConnection(self.place.admin_socket)
        try:
            connection.request("GET", path, headers={"Host": "admin"})
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    def token(self, number: int, client_id: str = "alice", plan: str = "", **more: Any) -> str:
        terms: dict[str, Any] = {"scope": "", "lifetime_s": 300, "audience": f"https://api/v{number}"} | more
        with self.app.app_context():
            return issue_token(client_id=client_id, plan=plan, **terms).text

    def ask(self, number: int, token: str = "", path: str = "/things", method: str = "GET", **headers: str) -> Reply:
        """Headers are written with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return call(f"http://127.0.0.1:{self.place.port}/v{number}{path}", method, sent)


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address of a console that a node can ask."""
    server = make_server("127.0.0.1", 0, app.wsgi_app, threaded=True)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(
    app: Flask,
    home: Path,
    backend: str,
    *versions: dict[str, Any],
    console: str = "http://127.0.0.1:9",
    credential: str = "x",
    tls: tuple[str, str] = ("", ""),
) -> Iterator[Served]:
    place = Place("n", "127.0.0.1", free_port(), console, credential, home / "xds", home / "admin", SYSTEM_CAS, *tls)
    me = Served(app, place, backend)
    me.show(*versions)
    command = [envoy_binary(), "-c", str(home / "xds" / "boot.json"), "--disable-hot-restart", "--concurrency", "2"]
    log = home / "envoy.log"
    with log.open("wb") as out:
        envoy = subprocess.Popen([*command, "--reject-unknown-dynamic-fields", "-l", "warning"], stderr=out)
    try:
        wait_until(lambda: envoy.poll() is not None or me._is_applied(), 20)
        assert envoy.poll() is None, log.read_text()
        yield me
    finally:
        envoy.kill()
        envoy.wait()
