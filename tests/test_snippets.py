"""Code of the reference, run as it stands: what arrives at a backend is what the call says, in every language."""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from profiled import answering
from programs import need

from console.apis.openapi import parse
from console.catalog.calls import KEY, TOKEN, Call, Part, example_call
from console.catalog.outline import Outline
from console.catalog.reference import describe
from console.catalog.snippets import snippets

pytestmark = pytest.mark.interop

SECRET = "s3cr3t.of-letters_and.digits"
ODD = """it's "odd": $HOME `id` ${x} %s \\n \\ {a} \t 'quoted'"""
JSON = json.dumps(
    {"text": ODD + " \u20ac \U0001f431 \u2028", "list": [1, 1.5, True, None], "deep": {"a'b": []}},
    indent=2,
    ensure_ascii=False,
)
CALLS = {
    "a list": Call("GET", "/pets?tag=a%26b&tag=c%20d&q=%24HOME", credential=TOKEN),
    "odd headers": Call("GET", "/a%2Fb/it's", (("X-Odd", ODD.replace("\t", " ")), ("X-Other", "1")), KEY),
    "no credential": Call("DELETE", "/pets/7"),
    "JSON": Call("POST", "/pets", (), TOKEN, "application/json", JSON),
    "JSON of a kind": Call("PATCH", "/pets/7", (("If-Match", '"7"'),), TOKEN, "application/merge-patch+json", '{"a": null}'),
    "a form": Call("POST", "/form", (), TOKEN, "application/x-www-form-urlencoded", "a=1&b=it%27s+%22so%22"),
    "text": Call("PUT", "/text", (), KEY, "text/plain; charset=utf-8", f"{ODD}\nsecond line \U0001f431\n\nlast"),
    "parts": Call("POST", "/parts", (), TOKEN, "multipart/form-data", parts=(Part("note", ODD), Part("file", file="file.bin"))),
}  # fmt: skip
RUN = {
    "curl": ("call.sh", "curl", "apt-get install curl", ["sh", "call.sh"]),
    "Python": ("call.py", "python3", "install Python", [sys.executable, "call.py"]),
    "JavaScript": ("call.mjs", "node", "apt-get install nodejs", ["node", "call.mjs"]),
    "Java": ("Call.java", "java", "apt-get install default-jdk-headless", ["java", "Call.java"]),
}
if shutil.which("go"):
    RUN["Go"] = ("call.go", "go", "apt-get install golang-go", ["go", "run", "call.go"])


class Keeper(BaseHTTPRequestHandler):
    """Keeps what arrived last."""

    protocol_version = "HTTP/1.1"
    arrived: dict[str, Any]

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Keeper.arrived = {"method": self.command, "path": self.path, "headers": self.headers, "body": body}
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"seen")

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with answering(Keeper) as url:
        yield url


def run(language: str, call: Call, where: Path) -> subprocess.CompletedProcess[str]:
    name, program, install, command = RUN[language]
    need(program, install)
    text = next(s.text for s in snippets(call) if s.language == language)
    (where / name).write_text(text)
    (where / "file.bin").write_text("…")
    env = {**os.environ, "ACCESS_TOKEN": SECRET, "API_KEY": SECRET, "NO_PROXY": "*"}
    return subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=60, check=False)


def parts_of(headers: Any, body: bytes) -> dict[str, bytes]:
    whole = email.message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    return {
        str(p.get_param("name", header="Content-Disposition")): bytes(p.get_payload(decode=True))
        for p in whole.get_payload()
    }


@pytest.mark.parametrize("language", RUN)
@pytest.mark.parametrize("what", CALLS)
def test_what_is_sent_is_what_the_call_says(backend: str, tmp_path: Path, language: str, what: str) -> None:
    call = CALLS[what]
    done = run(language, replace(call, url=backend + call.url), tmp_path)
    assert (done.returncode, "seen" in done.stdout) == (0, True), done.stderr
    came = Keeper.arrived
    assert (came["method"], came["path"]) == (call.method, call.url)
    for name, value in call.headers:
        assert came["headers"][name] == value
    if call.credential:
        assert came["headers"][call.credential.header] == call.credential.prefix + SECRET
    if call.parts:
        assert parts_of(came["headers"], came["body"]) == {"note": ODD.encode(), "file": "…".encode()}
    elif "json" in call.media:
        assert came["headers"]["Content-Type"] == call.media
        assert json.loads(came["body"]) == json.loads(call.body)
    else:
        assert came["body"] == call.body.encode()


DOCUMENT = parse("""
openapi: 3.1.0
info: {title: Zoo, version: 1.0.0}
paths:
  /cages/{cage}/animals/{id}:
    parameters:
      - {name: cage, in: path, required: true, schema: {type: array, items: {type: string}}, example: [a/b, "c d"]}
      - {name: id, in: path, required: true, schema: {type: integer, minimum: 7}}
    put:
      parameters:
        - {name: tag, in: query, required: true, schema: {type: array, items: {type: string, enum: [wild, tame]}}}
        - {name: near, in: query, required: true, style: deepObject, schema: {type: object, required: [x], properties: {x: {type: number}}}}
        - {name: not, in: query, schema: {type: string}}
        - {name: ids, in: query, required: true, explode: false, schema: {type: array, items: {type: integer}}, example: [1, 2]}
        - {name: X-Trace, in: header, required: true, schema: {type: string, format: uuid}}
        - {name: Authorization, in: header, required: true, schema: {type: string}}
      requestBody: {content: {application/xml: {schema: {type: object}}, application/json: {schema: {$ref: "#/components/schemas/Animal"}}}}
      responses: {"200": {description: ok}}
components:
  schemas:
    Animal:
      type: object
      required: [name, mother]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, minLength: 9}
        born: {type: string, format: date}
        legs: {type: integer, example: 4}
        mother: {$ref: "#/components/schemas/Animal"}
""")


class Zoo:
    url, accepts, takes_tokens = "https://gw.example/zoo/v1", ["key"], False


def test_an_example_call_has_what_must_be_there() -> None:
    entry = Outline.of(DOCUMENT).by_anchor["put-cages-cage-animals-id"]
    call = example_call(Zoo, DOCUMENT, describe(DOCUMENT, entry.operation))  # type: ignore[arg-type]
    assert call.url == "https://gw.example/zoo/v1/cages/a%2Fb,c%20d/animals/7?tag=wild&near%5Bx%5D=1.5&ids=1%2C2"
    assert call.credential == KEY
    assert [name for name, _ in call.headers] == ["X-Trace"]
    assert json.loads(call.body) == {"name": "stringstr", "legs": 4, "mother": None}
