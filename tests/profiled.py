"""One running installation with an API of every token profile, called as a client would: for `test_gateway_profiles`."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

import joserfc.jwe
import jwt
from flask import Flask
from joserfc.jwk import ECKey
from programs import Installation, Reply, call, wait_until
from sqlalchemy import func, select

from console import create_app
from console.accounts.models import Person, Role, Team
from console.apis.actions import Choices, import_document, publish_version
from console.apis.models import ApiVersion
from console.applications.actions import approve_subscription, create_application, subscribe
from console.applications.models import Application
from console.config import load
from console.credentials.actions import Terms, create_key, create_secret
from console.credentials.encryption import prove_key, register_key
from console.db import db, unit_of_work
from console.gateway.models import Node
from console.logs.segments import tables
from console.runtime import generation

DOCUMENT = """
openapi: 3.1.0
info: {title: NAME, version: 1.0.0}
components:
  securitySchemes:
    oauth:
      type: oauth2
      flows: {clientCredentials: {tokenUrl: https://x/t, scopes: {read: to read, admin: to rule}}}
paths:
  /things: {get: {security: [{oauth: [read]}], responses: {'200': {description: ok}}}}
  /admin: {get: {security: [{oauth: [admin]}], responses: {'200': {description: ok}}}}
"""
SIGNING = ("ES256", "RS256", "PS256", "EdDSA", "HS256")
ENCRYPTION = {
    "ecdh-kw": ("ECDH-ES+A256KW", "P-256", "A256GCM"),
    "ecdh-kw-x": ("ECDH-ES+A256KW", "X25519", "A128GCM"),
    "ecdh": ("ECDH-ES", "P-256", "A256CBC-HS512"),
    "ecdh-x": ("ECDH-ES", "X25519", "A256GCM"),
    "rsa": ("RSA-OAEP-256", "P-256", "A256GCM"),
    "aes": ("A256KW", "P-256", "A256CBC-HS512"),
}
PROFILES: dict[str, dict[str, Any]] = {
    **{alg.lower(): {"accepts": ["signed"], "signing_alg": alg, "dpop": "off"} for alg in SIGNING},
    "hs256b": {"accepts": ["signed"], "signing_alg": "HS256"},
    **{
        name: {"accepts": ["encrypted"], "encryption_alg": alg, "encryption_curve": curve, "content_alg": enc}
        for name, (alg, curve, enc) in ENCRYPTION.items()
    },
    "own": {"accepts": ["encrypted", "key"], "key_source": "jwk", "signing_alg": "HS256"},
    "lost": {"accepts": ["encrypted"], "key_source": "jwk"},
    "optional": {"accepts": ["signed"]},
    "required": {"accepts": ["signed", "key"], "dpop": "required"},
    "any": {"accepts": ["signed", "encrypted", "key"]},
    "open": {"accepts": ["open"], "signing_alg": "HS256"},
}


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        body = json.dumps([[k.lower(), v] for k, v in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a backend that answers so."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def seen(reply: Reply) -> dict[str, str]:
    """The headers as they came to the backend."""
    assert reply.status == 200, reply
    headers = json.loads(reply.body)
    assert len(dict(headers)) == len(headers), headers
    return dict(headers)


def head_of(token: str) -> dict[str, Any]:
    """The header of a token of three or five parts."""
    return dict(json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "==")))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def reason(reply: Reply) -> tuple[int, str]:
    """The status and the word that says why."""
    assert reply.headers["content-type"] == "application/problem+json", reply
    return reply.status, json.loads(reply.body)["type"].rpartition(":")[2]


@dataclass
class Holder:
    """Somebody with a key, who can prove it (RFC 9449)."""

    key: ECKey

    @classmethod
    def new(cls) -> Holder:
        return cls(ECKey.generate_key("P-256", private=True))

    def proof(self, method: str, url: str, token: str = "", **other: Any) -> str:
        claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": str(uuid.uuid4())}
        if token:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        head = {"typ": "dpop+jwt", "jwk": dict(self.key.as_dict(private=False))}
        return jwt.encode(claims | other, self.key.private_key, "ES256", headers=head)


@dataclass
class Installed:
    """``app`` is a console beside the running one, over the same databases: what people would do is done there."""

    me: Installation
    app: Flask
    client_id: str
    secret: str
    own: ECKey  # the private key that only the API `own` has

    def url(self, api: str, path: str = "/things") -> str:
        return f"{self.me.gateway}/{api}/v1{path}"

    def ask(self, api: str, headers: dict[str, str], path: str = "/things") -> Reply:
        return call(self.url(api, path), headers=headers)

    def ask_raw(
        self, api: str, headers: list[tuple[str, str]], path: str = "/things", source: str = "127.0.0.1"
    ) -> Reply:
        """With any header as often as wanted, any path as it is, and from any loopback address."""
        to = urlsplit(self.me.gateway)
        connection = http.client.HTTPConnection("127.0.0.1", to.port, timeout=10, source_address=(source, 0))
        connection.putrequest("GET", f"/{api}/v1{path}", skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        said = Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())
        connection.close()
        return said

    def token(self, api: str, scope: str = "read", proof: str = "") -> str:
        return str(json.loads(self.asked_token(api, scope, proof).body)["access_token"])

    def asked_token(self, api: str, scope: str = "read", proof: str = "") -> Reply:
        form = {"grant_type": "client_credentials", "resource": self.url(api, ""), "scope": scope}
        return self.oauth("token", form, {"DPoP": proof} if proof else {})

    def oauth(self, what: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
        form |= {"client_id": self.client_id, "client_secret": self.secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | (headers or {})
        return call(f"{self.me.console}/oauth/{what}", "POST", headers, urlencode(form).encode())

    def bound_token(self, api: str, holder: Holder) -> str:
        """A token that is good with a proof of ``holder``'s key only."""
        url = f"{self.me.console}/oauth/token"
        nonce = self.asked_token(api, proof=holder.proof("POST", url)).headers["dpop-nonce"]
        return self.token(api, proof=holder.proof("POST", url, nonce=nonce))

    def show(self, api: str, token: str, holder: Holder) -> dict[str, str]:
        """The headers of a good call with a bound token."""
        return {"Authorization": f"DPoP {token}", "DPoP": holder.proof("GET", self.url(api), token)}

    @contextmanager
    def acting(self) -> Iterator[Person]:
        """As Alice, in a transaction."""
        with self.app.app_context(), unit_of_work():
            yield db.session.scalars(select(Person)).one()

    def version(self, api: str) -> ApiVersion:
        """Within `acting`."""
        return db.session.scalars(select(ApiVersion).where(ApiVersion.gateway_path == f"/{api}/v1")).one()

    def key(self, **limits: Any) -> str:
        with self.acting() as alice:
            return create_key(db.session.scalars(select(Application)).one(), Terms("k", **limits), by=alice)[1]

    def settle(self) -> float:
        """Wait until the node serves what is published."""
        return wait_until(self._is_applied, 20)

    def _is_applied(self) -> bool:
        with self.app.app_context():
            return bool(db.session.scalar(select(func.max(Node.applied_generation))) == generation(0))

    def record(self, reply: Reply) -> dict[str, Any]:
        """What the request log holds about that call."""
        number = reply.headers["x-request-id"]

        def rows() -> list[dict[str, Any]]:
            with self.app.extensions["gatewright"].logs.engine.connect() as connection:
                for t in tables(connection):
                    found = connection.execute(select(t).where(t.c.request_id == number)).first()
                    if found is not None:
                        return [dict(found._mapping)]
            return []

        wait_until(rows, 10)
        return rows()[0]

    @contextmanager
    def calling(self, api: str, headers: dict[str, str]) -> Iterator[list[int]]:
        """Call again and again meanwhile, over one connection; the status of each call."""
        statuses: list[int] = []
        done = threading.Event()
        target = urlsplit(self.url(api))

        def again() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
            while not done.is_set():
                connection.request("GET", target.path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                time.sleep(0.005)

        thread = threading.Thread(target=again)
        thread.start()
        try:
            yield statuses
        finally:
            done.set()
            thread.join()


def fill(me: Installation, backend: str) -> Installed:
    ports = {"PORT": me.console, "GATEWAY_PORT": me.gateway, "SAMPLE_PORT": me.sample}
    env = {f"GATEWRIGHT_{name}": url.rpartition(":")[2] for name, url in ports.items()}
    app = create_app(load(env | {"GATEWRIGHT_HOME": str(me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
    own = ECKey.generate_key("P-256", private=True)
    with app.app_context(), unit_of_work():
        alice = Person(email="alice@example.org", name="Alice", role=Role.ADMIN, password_hash="-")
        alice.teams = [Team(name="Platform")]
        db.session.add(alice)
        db.session.flush()
        application = create_application("Shop", "", alice.teams[0], by=alice)
        for api, profile in PROFILES.items():
            version = _publish(api, backend, profile, own, alice)
            if api != "open":
                approve_subscription(subscribe(application, version, "for tests", by=alice), by=alice)
        world = Installed(me, app, application.client_id, create_secret(application, by=alice)[1], own)
    world.settle()
    return world


def _publish(api: str, backend: str, profile: dict[str, Any], own: ECKey, by: Person) -> ApiVersion:
    version = import_document(DOCUMENT.replace("NAME", api), by.teams[0], by=by)
    if profile.get("key_source") == "jwk":
        key, challenge = register_key(version, dict(own.as_dict(private=False)), by=by)
        prove_key(key, (joserfc.jwe.decrypt_compact(challenge, own).plaintext or b"").decode(), version, by=by)
    choices = Choices(backend, f"/{api}/v1", token_lifetime_s=900, **profile)
    publish_version(version, choices, edits=version.edits, by=by)
    return version
