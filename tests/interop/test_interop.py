"""Other people's clients and libraries against a running console: what they ask for, and what they open."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from joserfc import jwe, jwk

from console import create_app
from console.accounts.models import Person, Role, Team
from console.apis.actions import Choices, import_document, publish_version
from console.apis.models import ApiVersion
from console.applications.actions import approve_subscription, create_application, subscribe
from console.applications.models import Application
from console.config import load
from console.credentials.actions import create_secret
from console.credentials.client_keys import register_client_key
from console.credentials.encryption import ensure_encryption_key, prove_key, register_key
from console.credentials.encryption import open_private as open_encryption
from console.credentials.models import SigningKey
from console.credentials.signing import ensure_shared_secret, open_private
from console.db import db, unit_of_work
from console.install import prepare
from console.runtime import runtime
from console.tokens.issue import Profile, issue_token
from console.tokens.verify import verify
from tests.conftest import ORDERS, Cast
from tests.conftest import publish as published
from tests.forge import unb64
from tests.programs import PROJECT, call, free_port, need, wait_until

from .snippets import Snippets, bad_encrypted, bad_signed, check, check_own_key

pytestmark = pytest.mark.interop
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Served:
    """A console that runs, and what its people know."""

    issuer: str
    said: dict[str, Any]  # the input of the Node clients
    signing_jwk: dict[str, Any]
    own_jwk: dict[str, Any]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def node() -> str:
    """Node with the libraries of package.json."""
    program = need("node", "apt-get install nodejs npm")
    if not (HERE / "node_modules" / "jose").exists():
        subprocess.run([need("npm", "apt-get install npm"), "ci", "--silent"], cwd=HERE, check=True)
    return program


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    ours = {
        "GATEWRIGHT_HOME": str(tmp_path_factory.mktemp("interop") / "home"),
        "GATEWRIGHT_PORT": str(port),
        "GATEWRIGHT_SAMPLE_PORT": "0",
        "GATEWRIGHT_LOG_LEVEL": "warning",
    }
    made = fill(ours)
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | ours
    process = subprocess.Popen([sys.executable, "-m", "console", "serve"], env=env, cwd=PROJECT, start_new_session=True)
    try:
        wait_until(lambda: answers(made.issuer), 30)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def answers(issuer: str) -> bool:
    try:
        return call(f"{issuer}/healthz").status == 200
    except OSError:
        return False


def fill(environ: dict[str, str]) -> Served:
    """An API that takes signed tokens, one with a key of its own, and three applications."""
    app = create_app(load(environ))
    prepare(app)
    with app.app_context():
        with unit_of_work():
            alice = Person(email="alice@example.org", name="Alice", role=Role.ADMIN, password_hash="-")
            alice.teams = [Team(name="Platform")]
            db.session.add(alice)
            db.session.flush()
            signed, sealed = publish("1.0.0", "signed", alice), publish("2.0.0", "encrypted", alice)
            own = own_key(sealed, alice)
            basic = application("Basic", [signed, sealed], alice)
            by_key, foreign = application("Key", [signed], alice), application("Foreign", [], alice)
            pair = jwk.ECKey.generate_key("P-256", {"kid": "laptop"}, private=True)
            register_client_key(by_key, pair.as_dict(private=False), by=alice)
            private = dict(pair.as_dict(private=True)) | {"kid": "laptop", "alg": "ES256"}
            said = {
                "issuer": app.extensions["gatewright"].config.public_url,
                "audience": signed.audience,
                "scope": "orders:read",
                "basic": secret_of(basic, alice),
                "key": {"client_id": by_key.client_id, "private_jwk": private, "alg": "ES256"},
                "foreign": secret_of(foreign, alice),
                "encrypted": {"audience": sealed.audience, "private_jwk": own},
            }
        with unit_of_work():
            key = db.session.query(SigningKey).filter_by(state="active", alg="ES256").one()
            signing = orjson.loads(open_private(key)) | {"kid": key.kid}
            common = {"client_id": basic.client_id, "scope": "orders:read", "lifetime_s": 3600}
            tokens = {
                "signed": issue_token(**common, audience=signed.audience).text,
                "encrypted": issue_token(
                    **common, audience=sealed.audience, profile=Profile(sealed.id, encrypted=True)
                ).text,
            }
        return Served(said["issuer"], said, signing, own, tokens)


def publish(number: str, accepts: str, by: Person) -> ApiVersion:
    version = import_document(ORDERS.replace("version: 1.0.0", f"version: {number}"), by.teams[0], by=by)
    choices = Choices("http://127.0.0.1:9", f"/orders/v{number[0]}", [accepts], 3600)
    publish_version(version, choices, edits=version.edits, by=by)
    return version


def own_key(version: ApiVersion, by: Person) -> dict[str, Any]:
    """The version's own key pair, registered and proven; the private half."""
    pair = jwk.ECKey.generate_key("P-256", private=True)
    key, challenge = register_key(version, pair.as_dict(private=False), by=by)
    opened = jwe.decrypt_compact(challenge, pair, algorithms=[key.alg, key.enc])
    prove_key(key, (opened.plaintext or b"").decode(), version, by=by)
    choices = Choices("http://127.0.0.1:9", version.gateway_path or "", ["encrypted"], 3600, key_source="jwk")
    publish_version(version, choices, edits=version.edits, by=by)
    return dict(pair.as_dict(private=True)) | {"kid": key.kid}


def application(name: str, versions: list[ApiVersion], by: Person) -> Application:
    made = create_application(name, "", by.teams[0], by=by)
    for version in versions:
        approve_subscription(subscribe(made, version, "for tests", by=by), by=by)
    return made


def secret_of(made: Application, by: Person) -> dict[str, str]:
    return {"client_id": made.client_id, "client_secret": create_secret(made, by=by)[1]}


def run(node: str, script: str, said: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([node, script], input=json.dumps(said), cwd=HERE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("script", ["oauth4webapi.mjs", "openid-client.mjs"])
def test_a_strict_client_gets_checks_and_revokes_tokens(node: str, served: Served, script: str) -> None:
    answer = run(node, script, served.said)
    assert answer["ok"] is True
    assert len(answer["checks"]) >= 15, answer["checks"]


def test_the_programs_of_the_documentation_open_our_tokens(node: str, served: Served, tmp_path: Path) -> None:
    """Each takes the good token and refuses every bad one: in Python and Node, in Go and Java where Debian's packages are."""
    for kind, audience in (("signed", served.said["audience"]), ("encrypted", served.said["encrypted"]["audience"])):
        snippets = Snippets(tmp_path / kind, served.issuer, audience, served.own_jwk)
        claims = claims_of(served, audience)
        bad = {
            "signed": bad_signed(served.signing_jwk, claims),
            "encrypted": bad_encrypted(served.signing_jwk, served.own_jwk, claims),
        }
        for language in snippets.languages():
            check(snippets, language, {kind: served.tokens[kind]}, bad)


def claims_of(served: Served, audience: str) -> dict[str, Any]:
    said = json.loads(unb64(served.tokens["signed"].split(".")[1]))
    return dict(said | {"aud": audience})


def test_a_pair_made_by_the_documentation_opens_a_challenge(node: str, served: Served, tmp_path: Path) -> None:
    check_own_key(Snippets(tmp_path, served.issuer, "any", served.own_jwk))


SIGNING = ("ES256", "RS256", "PS256", "EdDSA", "HS256")
BOXES = (
    ("ECDH-ES+A256KW", "P-256"), ("ECDH-ES+A256KW", "X25519"), ("ECDH-ES", "P-256"), ("ECDH-ES", "X25519"),
    ("RSA-OAEP-256", "P-256"), ("A256KW", "P-256"),
)  # fmt: skip
CONTENT = ("A256GCM", "A128GCM", "A256CBC-HS512")


@dataclass
class Trip:
    """What npm jose is asked to open, to sign and to encrypt."""

    version_id: int
    audience: str
    issuer: str
    inner: str = ""
    open: list[dict[str, Any]] = field(default_factory=list)
    sign: list[dict[str, Any]] = field(default_factory=list)
    make: list[dict[str, Any]] = field(default_factory=list)

    def token(self, alg: str, *, encrypted: bool = False) -> str:
        profile = Profile(self.version_id, alg, encrypted)
        return issue_token(client_id="app-x", audience=self.audience, scope="a", lifetime_s=300, profile=profile).text

    def signed(self, alg: str) -> None:
        token = self.token(alg)
        self.inner = self.inner or token
        key = db.session.query(SigningKey).filter_by(state="active", alg=alg).one()
        private = orjson.loads(open_private(key)) | {"kid": key.kid, "alg": alg}
        public = {k: v for k, v in private.items() if k not in ("d", "p", "q", "dp", "dq", "qi")}
        self.open.append({"name": alg, "token": token, "verify_jwk": public, **self.expected})
        header, claims = (json.loads(unb64(part)) for part in token.split(".")[:2])
        self.sign.append({"name": alg, "alg": alg, "private_jwk": private, "header": header, "claims": claims})

    def encrypted(self, alg: str, curve: str, enc: str) -> None:
        with unit_of_work():
            version = db.session.get_one(ApiVersion, self.version_id)
            version.encryption_alg, version.encryption_curve, version.content_alg = alg, curve, enc
            box = ensure_encryption_key(version)
        runtime().checked_at = -1.0  # what a process remembers may be a quarter of a second old
        name, private = f"{alg} {curve} {enc}", orjson.loads(open_encryption(box)) | {"kid": box.kid}
        token = self.token("ES256", encrypted=True)
        key = self.open[0]["verify_jwk"]
        self.open.append({"name": name, "token": token, "decrypt_jwk": private, "verify_jwk": key, **self.expected})
        target = {"secret_jwk": private} if alg == "A256KW" else {"public_jwk": box.public_jwk}
        header = {"kid": box.kid, "typ": "at+jwt", "cty": "JWT"}
        self.make.append({"name": name, "alg": alg, "enc": enc, "header": header, "plaintext": self.inner, **target})

    @property
    def expected(self) -> dict[str, str]:
        return {"issuer": self.issuer, "audience": self.audience}


def test_every_algorithm_goes_both_ways_with_npm_jose(app: Flask, cast: Cast, node: str) -> None:
    """Ours opened by jose, jose's opened by ours: every signature, every key management with every content algorithm."""
    with app.app_context():
        with unit_of_work():
            version = published(db.session.get_one(Person, cast.alice), ["encrypted"])
            version.signing_alg = "HS256"
            ensure_shared_secret(version.id)
            trip = Trip(version.id, version.audience, runtime().config.public_url)
        for alg in SIGNING:
            trip.signed(alg)
        for (alg, curve), enc in itertools.product(BOXES, CONTENT):
            trip.encrypted(alg, curve, enc)
        answer = run(node, "jose-roundtrip.mjs", {"open": trip.open, "make": trip.make, "sign": trip.sign})
        assert answer["opened"].keys() == {one["name"] for one in trip.open}
        assert {claims["aud"] for claims in answer["opened"].values()} == {trip.audience}
        for name, token in answer["signed"].items():
            assert verify(token).claims["aud"] == trip.audience, name
        for name, token in answer["made"].items():
            assert verify(token).inner == trip.inner, name
        assert (len(answer["signed"]), len(answer["made"])) == (5, 18)
