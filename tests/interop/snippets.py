"""The programs in docs/tokens.md, run as their reader runs them: written to files, given one token on standard input.

Python and Node always; Go and Java where their compiler and Debian's packages of go-jose v4 and jose4j are installed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwe, jwk, jws

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "tokens.md"
PROGRAM = re.compile(r"^```\w+\n((?:#|//) (\S+\.\w+)\n.*?)^```$", re.MULTILINE | re.DOTALL)
ALG, ENC = "ECDH-ES+A256KW", "A256GCM"
GOCODE, JARS = "/usr/share/gocode/src", "/usr/share/java"
Jwk = dict[str, Any]
Json = dict[str, Any]


def programs(document: Path = DOCUMENT) -> dict[str, str]:
    """Text by file name, which is the comment in the first line of a fenced block."""
    return {name: text for text, name in PROGRAM.findall(document.read_text())}


@dataclass(frozen=True)
class Snippets:
    """The programs in a folder, with the settings that the document names."""

    folder: Path
    issuer: str
    audience: str
    own_jwk: Jwk  # the API's private key
    debian: Path = Path("/")  # where Debian's packages of the libraries are unpacked

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in programs().items():
            (self.folder / name).write_text(text)
        (self.folder / "api.jwk").write_text(json.dumps(self.own_jwk))
        if not (self.folder / "node_modules").exists():
            (self.folder / "node_modules").symlink_to(HERE / "node_modules")

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"ISSUER": self.issuer, "AUDIENCE": self.audience, "API_JWK": "api.jwk"}

    def languages(self) -> list[str]:
        found = ["python", "node"]
        if shutil.which("go") and self._debian(GOCODE, "github.com/go-jose/go-jose/go.mod").exists():
            found.append("go")
        if shutil.which("javac") and self._debian(JARS, "jose4j.jar").exists():
            found.append("java")
        return found

    def build(self, language: str) -> None:
        if language == "go":
            modules = {"github.com/go-jose/go-jose/v4": "github.com/go-jose/go-jose", "golang.org/x/crypto": ""}
            lines = ["module api", "go 1.21"]
            for name, where in modules.items():
                lines += [f"require {name} v{'4' if where else '0'}.0.0"]
                lines += [f"replace {name} => {self._debian(GOCODE, where or name)}"]
            (self.folder / "go.mod").write_text("\n".join(lines))
            for name, files in {"signed": ["signed.go"], "encrypted": ["signed.go", "encrypted.go"]}.items():
                self._do("go", "build", "-o", name, *files, GOFLAGS="-mod=mod", GOPROXY="off", GOSUMDB="off")
        if language == "java":
            self._do("javac", "-cp", self._classpath(), "Signed.java", "Encrypted.java")

    def run(self, language: str, kind: str, token: str) -> subprocess.CompletedProcess[str]:
        """``kind`` is "signed" or "encrypted"."""
        command = {
            "python": [sys.executable, f"{kind}.py"],
            "node": ["node", f"{kind}.mjs"],
            "go": [f"./{kind}"],
            "java": ["java", "-cp", f".{os.pathsep}{self._classpath()}", kind.title()],
        }[language]
        return self.program(command, token)

    def program(self, command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=stdin, cwd=self.folder, env=self.env, capture_output=True, text=True)

    def _debian(self, *parts: str) -> Path:
        return self.debian.joinpath(*(part.lstrip("/") for part in parts))

    def _classpath(self) -> str:
        return os.pathsep.join(str(self._debian(JARS, f"{name}.jar")) for name in ("jose4j", "slf4j-api", "slf4j-nop"))

    def _do(self, *command: str, **env: str) -> None:
        done = subprocess.run(command, cwd=self.folder, env=self.env | env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def sign(key: Jwk, claims: Json, **header: Any) -> str:
    head = _said({"typ": "at+jwt", "alg": "ES256", "kid": key.get("kid")} | header)
    return jws.serialize_compact(head, json.dumps(claims), jwk.import_key(key), algorithms=[head["alg"]])


def encrypt(key: Jwk, inside: str, **header: Any) -> str:
    head = _said({"alg": ALG, "enc": ENC, "kid": key.get("kid"), "typ": "at+jwt", "cty": "JWT"} | header)
    registry = jwe.JWERegistry(algorithms=[head["alg"], head["enc"], "DEF"])
    return jwe.encrypt_compact(head, inside.encode(), jwk.import_key(key), registry=registry)


def _said(header: Json) -> Json:
    return {name: value for name, value in header.items() if value is not None}


def unsigned(claims: Json, typ: str = "at+jwt") -> str:
    parts = [json.dumps({"alg": "none", "typ": typ}).encode(), json.dumps(claims).encode(), b""]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _with_claims(token: str, claims: Json) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


def altered(token: str, part: int) -> str:
    """One character in the middle of a part is another one."""
    parts = token.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


def bad_signed(issuer_jwk: Jwk, claims: Json) -> dict[str, str]:
    """What no API may take. ``issuer_jwk`` is the private key of one that is published."""
    good = sign(issuer_jwk, claims)
    pair = jwk.ECKey.generate_key("P-256")
    stranger = dict(pair.as_dict(private=True)) | {"kid": issuer_jwk["kid"]}
    public = jwk.import_key(issuer_jwk).as_dict(private=False)
    text = base64.urlsafe_b64encode(json.dumps(public).encode()).rstrip(b"=").decode()
    cases = {
        "altered claims": _with_claims(good, claims | {"scope": "orders:read admin"}),
        "damaged claims": altered(good, 1),
        "altered signature": altered(good, 2),
        "no signature": good.rpartition(".")[0] + ".",
        "alg none": unsigned(claims),
        "HS256 with the public key": sign({"kty": "oct", "k": text, "kid": issuer_jwk["kid"]}, claims, alg="HS256"),
        "a stranger's key": sign(stranger, claims),
        "a stranger's key in the header": sign(stranger, claims, jwk=pair.as_dict(private=False), kid=None),
        "an unknown kid": sign(stranger, claims, kid="unknown"),
        "another typ": sign(issuer_jwk, claims, typ="JWT"),
        "expired": sign(issuer_jwk, claims | {"exp": int(time.time()) - 60}),
        "not yet": sign(issuer_jwk, claims | {"nbf": int(time.time()) + 600}),
        "another issuer": sign(issuer_jwk, claims | {"iss": f"{claims['iss']}.example"}),
        "another audience": sign(issuer_jwk, claims | {"aud": f"{claims['aud']}/more"}),
        "another scope": sign(issuer_jwk, claims | {"scope": "orders:readx"}),
        "not a token": "x",
    }
    for name in claims:
        cases[f"without {name}"] = sign(issuer_jwk, {k: v for k, v in claims.items() if k != name})
    return cases


def bad_encrypted(issuer_jwk: Jwk, own_jwk: Jwk, claims: Json) -> dict[str, str]:
    inside = sign(issuer_jwk, claims)
    good = encrypt(own_jwk, inside)
    stranger = dict(jwk.ECKey.generate_key("P-256").as_dict(private=True))
    cases = {
        "not encrypted": inside,
        "bare claims": encrypt(own_jwk, json.dumps(claims), cty=None),
        "bare claims that say JWT": encrypt(own_jwk, json.dumps(claims)),
        "a JWT without cty": encrypt(own_jwk, inside, cty=None),
        "twice encrypted": encrypt(own_jwk, good),
        "for another key": encrypt(stranger, inside),
        "another alg": encrypt(own_jwk, inside, alg="ECDH-ES"),
        "another enc": encrypt(own_jwk, inside, enc="A128GCM"),
        "zipped": encrypt(own_jwk, inside, zip="DEF"),
    }
    cases |= {f"altered part {number}": altered(good, number) for number in range(5)}
    return cases | {
        f"inside: {name}": encrypt(own_jwk, token) for name, token in bad_signed(issuer_jwk, claims).items()
    }


def check(snippets: Snippets, language: str, good: dict[str, str], bad: dict[str, dict[str, str]]) -> None:
    """Both programs of a language; ``good`` and ``bad`` by "signed" and "encrypted". Every good one first and last."""
    snippets.build(language)
    for kind, token in good.items():
        for name, one in {"good": token, **bad[kind], "good again": token}.items():
            done = snippets.run(language, kind, one)
            said = f"{language}, {kind}, {name}: {done.stdout}{done.stderr}"
            if one is token:
                assert done.returncode == 0, said
                assert "orders:read" in done.stdout, said
            else:
                assert done.returncode != 0, said
                assert "refused" in done.stderr, said


def check_own_key(snippets: Snippets) -> None:
    """A pair that either program makes opens a challenge in both."""
    for maker in ([sys.executable, "make_key.py"], ["node", "make-key.mjs"]):
        (snippets.folder / "api.jwk").unlink()
        public = json.loads(snippets.program(maker).stdout)
        assert "d" not in public
        assert (snippets.folder / "api.jwk").stat().st_mode & 0o077 == 0
        challenge = encrypt(public, "a random text", cty=None, typ=None)
        for opener in ([sys.executable, "open_challenge.py"], ["node", "open-challenge.mjs"]):
            assert snippets.program(opener, challenge).stdout == "a random text\n"
            assert snippets.program(opener, altered(challenge, 3)).returncode != 0
    (snippets.folder / "api.jwk").write_text(json.dumps(snippets.own_jwk))
