"""Other makers' programs push to a running console, configured as docs/ingest.md says: every record arrives, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from console import create_app
from console.config import load
from console.db import unit_of_work
from console.gateway.actions import enrol_node
from console.logs.question import Question
from console.logs.search import newest
from tests.programs import PROJECT, Installation, call, free_port, installation, need, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.envoy]
SHIPPER = """\
@version: 3.35
source s { file("%(file)s" flags(no-parse) follow-freq(1)); };
destination gatewright {
  http(
    url("%(console)s/ingest/json")
    method("POST")
    headers("Authorization: Bearer %(credential)s", "Content-Type: application/x-ndjson")
    body("$MESSAGE") delimiter("\\n") batch-lines(500) batch-timeout(500)
    retries(100) persist-name("gatewright")
  );
};
log { source(s); destination(gatewright); };
"""
NGINX = """\
daemon off; pid %(home)s/nginx.pid; error_log %(home)s/error.log; worker_processes 1;
events {}
http {
  log_format gatewright escape=json '{"msec":$msec,"request_method":"$request_method","request_uri":"$request_uri",'
    '"status":$status,"request_time":$request_time,"upstream_response_time":"$upstream_response_time",'
    '"request_length":$request_length,"bytes_sent":$bytes_sent,"remote_addr":"$remote_addr",'
    '"http_user_agent":"$http_user_agent","request_id":"$request_id","remote_user":"$remote_user"}';
  access_log %(file)s gatewright;
  client_body_temp_path %(home)s/b; proxy_temp_path %(home)s/p; fastcgi_temp_path %(home)s/f;
  uwsgi_temp_path %(home)s/u; scgi_temp_path %(home)s/s;
  server { listen 127.0.0.1:%(port)s; location / { return 204; } }
}
"""
CADDY = """\
{
  admin off
  auto_https off
}
http://127.0.0.1:%(port)s {
  log {
    output file %(file)s
    format json
  }
  respond "ok"
}
"""


@dataclass(frozen=True)
class Console:
    me: Installation
    credential: str
    node_id: int

    def paths(self) -> Counter[str]:
        app = create_app(load({"GATEWRIGHT_HOME": str(self.me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
        with app.app_context():
            return Counter(row.path for row in newest(Question(node_ids=frozenset({self.node_id})), size=1000))

    def holds(self, *paths: str) -> bool:
        """Each once."""
        found = self.paths()
        return all(found[path] == 1 for path in paths)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with installation(tmp_path_factory.mktemp("senders") / "home") as me:
        app = create_app(load({"GATEWRIGHT_HOME": str(me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
        with app.app_context(), unit_of_work():
            node, credential = enrol_node("sender", serves=False)
            node_id = node.id
        yield Console(me, credential, node_id)


@contextmanager
def program(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def shipper(console: Console, home: Path, file: Path) -> Iterator[None]:
    path = need("syslog-ng", "apt-get install syslog-ng-core syslog-ng-mod-http")
    config = home / "syslog-ng.conf"
    config.write_text(SHIPPER % {"file": file, "console": console.me.console, "credential": console.credential})
    files = [f"--{name}={home / name}" for name in ("persist-file", "pidfile", "control")]
    with program(path, "-F", f"--cfgfile={config}", *files):
        yield


def answers(url: str) -> bool:
    try:
        return call(url).status > 0
    except OSError:
        return False


@pytest.mark.parametrize("server", ["nginx", "caddy"])
def test_a_web_server_with_a_shipper(console: Console, tmp_path: Path, server: str) -> None:
    port, file = free_port(), tmp_path / "access.log"
    config = tmp_path / server
    config.write_text({"nginx": NGINX, "caddy": CADDY}[server] % {"home": tmp_path, "file": file, "port": port})
    if server == "nginx":
        command = [need("nginx", "apt-get install nginx-light"), "-c", str(config)]
    else:
        command = [str(Path(sys.executable).parent / "caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]
    with program(*command):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/up"), 20)
        wait_until(file.exists, 5)
        with shipper(console, tmp_path, file):
            time.sleep(1)
            wanted = [f"/{server}/{i}" for i in range(40)]
            for path in wanted:
                call(
                    f"http://127.0.0.1:{port}{path}?api_key=s3cr3t-query",
                    headers={"Authorization": "Bearer s3cr3t-bearer"},
                )
            wait_until(lambda: console.holds(*wanted), 20, every=0.5)
    assert console.holds(*wanted)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_opentelemetry_sdk_for_python(console: Console, compression: str) -> None:
    from opentelemetry._logs import LogRecord
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    exporter = OTLPLogExporter(
        f"{console.me.console}/v1/logs", headers={"Authorization": f"Bearer {console.credential}"},
        compression=Compression(compression),
    )  # fmt: skip
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("access")
    wanted = [f"/python/{compression}/{i}" for i in range(100)]
    for path in wanted:
        said = {"http.response.status_code": 200, "http.request.method": "GET", "url.path": path}
        said |= {"http.server.request.duration": 0.012}
        logger.emit(LogRecord(timestamp=time.time_ns(), body="access", attributes=said))
    provider.shutdown()
    assert console.holds(*wanted)


@pytest.mark.parametrize("form", ["http", "proto"])
def test_the_opentelemetry_sdk_for_node(console: Console, form: str) -> None:
    node, here = need("node", "apt-get install nodejs npm"), PROJECT / "tests" / "interop"
    if not (here / "node_modules" / "@opentelemetry").is_dir():
        subprocess.run(
            [need("npm", "apt-get install npm"), "ci", "--ignore-scripts"], cwd=here, check=True, timeout=300
        )
    said = {"url": f"{console.me.console}/v1/logs", "credential": console.credential, "form": form, "count": 100}
    done = subprocess.run(
        [node, "otlp-logs.mjs"], cwd=here, input=json.dumps(said), text=True, capture_output=True, timeout=60,
        env=os.environ | {"OTEL_LOG_LEVEL": "error"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert console.holds(*[f"/node/{form}/{i}" for i in range(100)])
