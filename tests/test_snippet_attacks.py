"""Documents whose names would do something on the machine of whoever pastes the example."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from console.apis.models import ApiVersion
from console.apis.operations import operations
from console.catalog import reference
from console.catalog.calls import example_call, file_named
from console.catalog.snippets import snippets
from tests.programs import need

SECRET = "the secret of whoever pastes"


@pytest.fixture
def backend() -> Iterator[tuple[str, list[bytes]]]:
    """What it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def texts(app: Flask, name: str, url: str) -> dict[str, str]:
    """The snippets of an upload with a file in the property of that name."""
    schema = {"type": "object", "properties": {name: {"type": "string", "format": "binary"}}}
    body = {"content": {"multipart/form-data": {"schema": schema}}}
    paths = {"/files": {"post": {"requestBody": body, "responses": {"204": {"description": "Taken"}}}}}
    document = {"openapi": "3.1.0", "info": {"title": "Files", "version": "1"}, "paths": paths}
    with app.app_context():
        described = reference.describe(document, operations(document)[0])
        call = example_call(ApiVersion(accepts=[], gateway_path="/files/v1"), document, described)
    return {snippet.slug: snippet.text.replace(call.url, f"{url}/files") for snippet in snippets(call)}


@pytest.mark.parametrize("name", ["x=@{0};type=text/plain", "x=<{0};a", "x=@{0},b", "{0}", "a;filename=b", 'q"@{0}'])
def test_curl_sends_no_file_that_a_name_asks_for(
    app: Flask, tmp_path: Path, backend: tuple[str, list[bytes]], name: str
) -> None:
    url, bodies = backend
    curl = need("curl", "apt-get install curl")
    (tmp_path / "secret").write_text(SECRET)
    hostile = name.format(tmp_path / "secret")
    (tmp_path / file_named(hostile)).write_text("what is meant to be sent")
    text = texts(app, hostile, url)["curl"].replace("curl", curl, 1)
    subprocess.run(["sh", "-c", text], cwd=tmp_path, check=True, capture_output=True, timeout=20)
    assert SECRET.encode() not in bodies[0]
    assert b"what is meant to be sent" in bodies[0]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\..\\b", "a\nb", "$(id)", "~/x"])
def test_no_snippet_opens_a_file_elsewhere(app: Flask, name: str) -> None:
    for text in texts(app, name, "http://127.0.0.1:9").values():
        assert file_named(name) in text
    assert not set(file_named(name)) & set("/\\\n~$=;")
